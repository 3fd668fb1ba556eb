# SPDX-License-Identifier: Apache-2.0
# Completion of retrace-server-task in bash: commands, options, files.

_retrace_server_task()
{
    local cur=${COMP_WORDS[COMP_CWORD]}
    local prev=${COMP_WORDS[COMP_CWORD - 1]}
    local commands='create batch status backtrace log cancel delete'
    local options='--server --insecure --cacert --password --password-file --output --type
        --package --executable --os-release --delay --timeout --no-sync --json --quiet --verbose
        --help --version'
    local word command= index

    COMPREPLY=()
    case $prev in
    -o | --output | --cacert | --password-file | --executable)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    -t | --type)
        mapfile -t COMPREPLY < <(compgen -W '0 1 2 3 4' -- "$cur")
        return
        ;;
    -s | --server | -p | --password | --package | --os-release | --delay | --timeout)
        return
        ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        [[ " $commands " == *" $word "* ]] && command=$word
    done
    case $command in
    '') mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
    create | batch)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    esac
}

complete -F _retrace_server_task retrace-server-task
