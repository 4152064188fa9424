# Completions of ctl for bash. `ctl complete` says what the last word can become.
_ctl() {
    local line=${COMP_LINE:0:COMP_POINT} found last
    COMPREPLY=()
    while read -r found; do
        COMPREPLY+=("${found%%$'\t'*}")
    done < <(command ctl complete --line "$line" 2>/dev/null)
    # bash takes a word apart at each colon, and wants what follows the last one.
    last=${line##*[[:space:]]}
    if [[ $last == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${last%"${last##*:}"}"}")
    fi
}
complete -o default -o filenames -F _ctl ctl
