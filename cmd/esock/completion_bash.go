package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// bashScript makes the completion for bash. It finds the command in the words before the cursor, and then what the command
// takes at the cursor.
func bashScript(all []*completed) []string {
	lines := []string{
		"# Completion of esock for bash: source <(esock completion bash)",
		"_esock() {",
		"	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}",
		"	local command= word flags= values= list= last= i n=0 skip=",
		"	local -a arguments=()",
		"	# The shell takes --flag=value apart.",
		"	if [[ $cur == = ]]; then",
		"		cur=",
		"	elif [[ $prev == = ]]; then",
		"		prev=${COMP_WORDS[COMP_CWORD-2]}",
		"	fi",
		"	for ((i = 1; i < COMP_CWORD; i++)); do",
		`		word="${command:+$command }${COMP_WORDS[i]}"`,
		"		case $word in",
		"		" + strings.Join(bashCommands(all), " | ") + ") command=$word ;;",
		"		*) break ;;",
		"		esac",
		"	done",
		"	case $command in",
	}
	for _, c := range all {
		lines = append(lines, "	"+quoted(c.path())+")")
		lines = append(lines, bashCommand(c)...)
		lines = append(lines, "		;;")
	}
	lines = append(lines,
		"	esac",
		"	for (( ; i < COMP_CWORD; i++)); do # which argument is at the cursor",
		"		word=${COMP_WORDS[i]}",
		"		if [[ $skip ]]; then",
		"			[[ $word == = ]] || skip=",
		`		elif [[ " $values " == *" $word "* ]]; then`,
		"			skip=1",
		"		elif [[ $word != -* || $word == - ]]; then",
		"			n=$((n + 1)) last=$word",
		"		fi",
		"	done",
		"	case $command:$n:$last in")
	lines = append(lines, bashByLast(all)...)
	return append(lines,
		"	esac",
		"	if [[ $cur == -* ]]; then",
		"		list=$flags",
		`	elif [[ " $values " != *" $prev "* ]]; then`,
		"		((n < ${#arguments[@]})) || n=$((${#arguments[@]} - 1))",
		"		((n < 0)) || list=${arguments[n]}",
		"	fi",
		"	case $list in",
		"	:files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;",
		"	:directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;",
		"	*) mapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$cur\") ;;",
		"	esac",
		"}",
		"complete -F _esock esock")
}

// bashByLast sets arguments whose words depend on the argument before.
func bashByLast(all []*completed) (lines []string) {
	for _, c := range all {
		for i, a := range c.args {
			for _, last := range slices.Sorted(maps.Keys(a.by)) {
				lines = append(lines, fmt.Sprintf("	'%s:%d:%s') arguments[%d]=%s ;;", c.path(), i, last, i, quoted(strings.Join(a.by[last], " "))))
			}
		}
	}
	return lines
}

func bashCommands(all []*completed) (paths []string) {
	for _, c := range all {
		if len(c.words) > 0 {
			paths = append(paths, quoted(c.path()))
		}
	}
	return paths
}

// bashCommand sets what the command takes: its flags, those of them that take a value, its arguments, and the values of the
// flag before the cursor.
func bashCommand(c *completed) (lines []string) {
	var flags, values, arguments []string
	of := []string{"		case $prev in"}
	for _, f := range c.flags {
		names := []string{"--" + f.name}
		if f.short != "" {
			names = append(names, "-"+f.short)
		}
		flags = append(flags, names...)
		if f.takes {
			values = append(values, names...)
			if list := bashList(f); list != "" {
				of = append(of, fmt.Sprintf("		%s) list=%s ;;", strings.Join(names, " | "), quoted(list)))
			}
		}
	}
	if len(c.commands) > 0 {
		arguments = append(arguments, quoted(strings.Join(c.names(), " ")))
	}
	for _, a := range c.args {
		arguments = append(arguments, quoted(bashList(a)))
	}
	if n := len(c.args); n > 0 && !c.args[n-1].many || len(c.commands) > 0 {
		arguments = append(arguments, "''") // nothing follows
	}
	lines = append(lines, "		flags="+quoted(strings.Join(flags, " ")), "		values="+quoted(strings.Join(values, " ")),
		"		arguments=("+strings.Join(arguments, " ")+")")
	if len(of) > 1 {
		lines = append(append(lines, of...), "		esac")
	}
	return lines
}

func bashList(c *choice) string {
	switch {
	case c.directories:
		return ":directories"
	case c.files:
		return ":files"
	}
	return strings.Join(c.words, " ")
}
