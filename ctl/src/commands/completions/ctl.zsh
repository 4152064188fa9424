#compdef ctl
# Completions of ctl for zsh. `ctl complete` says what the last word can become.
_ctl() {
    local line
    local -a values shown
    for line in "${(@f)$(command ctl complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] || continue
        values+=("${line%%$'\t'*}")
        shown+=("${line/$'\t'/  -- }")
    done
    if (( $#values )); then
        compadd -l -d shown -a values
    else
        _files
    fi
}
if [[ $funcstack[1] == _ctl ]]; then
    _ctl "$@"
else
    compdef _ctl ctl
fi
