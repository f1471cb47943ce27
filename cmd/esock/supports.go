package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esock-go/esock/supports"
)

type supportsCmd struct {
	Key   string `arg:"" optional:"" words:"tables" help:"Print only this table (ioctl_requests, ioctl_flags, msg_flags, protocols, options) or feature."`
	Level string `arg:"" optional:"" words:"levels" help:"With options: print only those of this level."`
	JSON  bool   `name:"json" help:"Print one JSON document."`
}

func (c *supportsCmd) Run(out *output) error {
	table := supports.All().Map()
	if c.Key != "" {
		v, ok := table[c.Key]
		if !ok {
			return usagef("there is no table or feature %q%s", c.Key, didYouMean(c.Key, slices.Sorted(maps.Keys(table))))
		}
		table = map[string]any{c.Key: v}
	}
	if c.Level != "" {
		levels, ok := table["options"].(map[string]any)
		if c.Key != "options" || !ok {
			return usagef("only options have levels")
		}
		v, ok := levels[c.Level]
		if !ok {
			return usagef("there is no level %q with options by name%s", c.Level,
				didYouMean(c.Level, slices.Sorted(maps.Keys(levels))))
		}
		table = map[string]any{"options": map[string]any{c.Level: v}}
	}
	if c.JSON {
		return out.writeJSON(table)
	}
	return writeTables(out, table)
}

// writeTables writes what supports.All().Map() returns, or a part of it.
func writeTables(out *output, table map[string]any) error {
	var b strings.Builder
	var features []string
	for _, key := range slices.Sorted(maps.Keys(table)) {
		switch v := table[key].(type) {
		case bool:
			features = append(features, fmt.Sprintf("%s %s", key, yesNo(v)))
		case map[string]any:
			if key == "options" {
				for _, level := range slices.Sorted(maps.Keys(v)) {
					writeSupport(&b, out, "options "+level, v[level].(map[string]any))
				}
				continue
			}
			writeSupport(&b, out, key, v)
		}
	}
	if len(features) > 0 {
		writeNames(&b, out, "features", strings.Join(features, ", "))
	}
	return out.writeLines([]string{strings.TrimRight(b.String(), "\n")})
}

func yesNo(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}

// writeSupport writes the names in a table: first those that are supported, then the others, by the reason why not.
func writeSupport(b *strings.Builder, out *output, title string, table map[string]any) {
	groups := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		state, isOption := table[name].(string)
		if !isOption {
			state = map[bool]string{true: "works", false: "elsewhere"}[table[name] == true]
		}
		groups[state] = append(groups[state], name)
	}
	var lines []string
	for _, g := range []struct{ state, text string }{{"works", ""}, {"known", "not in this kernel: "},
		{"elsewhere", "not on Linux: "}} {
		if len(groups[g.state]) > 0 {
			lines = append(lines, g.text+strings.Join(groups[g.state], " "))
		}
	}
	writeNames(b, out, title, lines...)
	b.WriteString("\n")
}

// writeNames writes names below a title.
func writeNames(b *strings.Builder, out *output, title string, paragraphs ...string) {
	b.WriteString(out.bold(title) + "\n")
	for _, p := range paragraphs {
		b.WriteString(strings.Join(indented(indent, out.wrap(p, len(indent))), "\n") + "\n")
	}
}
