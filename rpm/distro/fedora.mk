# SPDX-License-Identifier: Apache-2.0
# Names and places of Fedora, RHEL and their relatives. Nothing outside this folder may spell them out.
HTTPD          = /usr/sbin/httpd
HTTPD_USER     = apache
HTTPD_GROUP    = apache
HTTPD_MODULES  = /usr/lib64/httpd/modules
HTTPD_CONFDIR  = /etc/httpd/conf.d
HTTPD_SERVICE  = httpd
APXS           = apxs
