# Completion of the quire command for bash.

_quire_run()
{
        local cur=$1 prev=$2

        case $prev in
        --memory|-m|--pagefile-size)
                mapfile -t COMPREPLY < <(compgen -W '64M 256M 1G 4G' -- "$cur")
                return ;;
        --pagefile|--trace)
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
                return ;;
        --heatmap)
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen -f -X '!*.@(png|svg)' -- "$cur"
                                         compgen -d -- "$cur")
                return ;;
        --policy)
                mapfile -t COMPREPLY < <(compgen -W '2q clock lru' -- "$cur")
                return ;;
        --faults)
                mapfile -t COMPREPLY < <(compgen -W 'auto inline thread' -- "$cur")
                return ;;
        --report)
                mapfile -t COMPREPLY < <(compgen -W 'text json text= json=' -- "$cur")
                return ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W '--memory --pagefile --pagefile-size --policy --faults
                --report --heatmap --trace --help --' -- "$cur")
}

# The position of the program in the words of `quire run', or nothing.
_quire_program()
{
        local i

        for ((i = 2; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i]} in
                --) echo $((i + 1)); return ;;
                -h|--help) ;;
                -*) ((i++)) ;;
                *) echo "$i"; return ;;
                esac
        done
}

_quire()
{
        local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} program

        COMPREPLY=()
        if ((COMP_CWORD == 1)); then
                mapfile -t COMPREPLY < <(compgen -W 'run probe help --help --version' -- "$cur")
                return
        fi
        case ${COMP_WORDS[1]} in
        run)
                program=$(_quire_program)
                if [[ -n $program ]] && declare -F _command_offset >/dev/null; then
                        _command_offset "$program"
                elif [[ -n $program && $COMP_CWORD -gt $program ]]; then
                        compopt -o filenames
                        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
                elif [[ -n $program || ( $cur != -* && $prev != -* ) ]]; then
                        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
                else
                        _quire_run "$cur" "$prev"
                fi ;;
        probe)
                mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$cur") ;;
        help)
                mapfile -t COMPREPLY < <(compgen -W 'run probe' -- "$cur") ;;
        esac
}

complete -F _quire quire
