# etc/completion/heraldctl.bash: completion for bash; heraldctl itself knows what may come next.
_heraldctl() {
	local IFS=$'\n' line cur=${COMP_WORDS[COMP_CWORD]}
	COMPREPLY=()
	while read -r line; do
		if [ "$line" = :files ]; then
			compopt -o filenames 2>/dev/null
			mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
		else
			COMPREPLY+=("$line")
		fi
	done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _heraldctl heraldctl
