# SPDX-License-Identifier: GPL-2.0-only
# Completion of vmi for bash: put it into /usr/share/bash-completion/completions/vmi,
# or source it. What may come next is vmi's to say (vmi complete).
_vmi() {
	local cur=${COMP_WORDS[COMP_CWORD]} words=() i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --connect | -o | --output | --columns | --color) ((i++)) ;;
		-* | =) [ ${#words[@]} -gt 0 ] && words+=("${COMP_WORDS[i]}") ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
	mapfile -t COMPREPLY < <(vmi complete -- "${words[@]}" "$cur" 2>/dev/null)
	# No answer: a file, perhaps.
	[ ${#COMPREPLY[@]} -gt 0 ] || compopt -o default 2>/dev/null
}
complete -F _vmi vmi virsh
