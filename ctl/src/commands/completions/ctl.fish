# Completions of ctl for fish. `ctl complete` says what the last word can become.
function __ctl_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (command ctl complete -- $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c ctl -f -k -a '(__ctl_complete)'
