package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esock-go/esock/supports"
)

type supportsCmd struct {
	Key   string `arg:"" optional:"" placeholder:"KEY" help:"Print only this table (ioctl_requests, ioctl_flags, msg_flags, protocols, options) or feature."`
	Level string `arg:"" optional:"" placeholder:"LEVEL" help:"With options: print only those of this level."`
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
		fmt.Fprintf(&b, "%s\n   %s\n", out.bold("features"), strings.Join(features, ", "))
	}
	_, err := out.Write([]byte(b.String()))
	return err
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
	fmt.Fprintf(b, "%s\n", out.bold(title))
	for _, g := range []struct{ state, text string }{{"works", ""}, {"known", "not in this kernel: "},
		{"elsewhere", "not on Linux: "}} {
		if len(groups[g.state]) == 0 {
			continue
		}
		for _, l := range wrap(g.text+strings.Join(groups[g.state], " "), 94) {
			fmt.Fprintf(b, "   %s\n", l)
		}
	}
	b.WriteString("\n")
}
