# SPDX-License-Identifier: Apache-2.0
# Names and places of Debian and its derivatives. Nothing outside this folder may spell them out.
HTTPD          = /usr/sbin/apache2
HTTPD_USER     = www-data
HTTPD_GROUP    = www-data
HTTPD_MODULES  = /usr/lib/apache2/modules
HTTPD_CONFDIR  = /etc/apache2/conf-available
HTTPD_SERVICE  = apache2
APXS           = apxs
