package sockopt

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/esock-go/esock/internal/plain"
)

// SampleValue returns a value of the option to try on a socket of the kind, to set or to ask with, and what the option then
// reads; nil stands for anything. If the option cannot be tried on a socket alone, why says so. Options that can only be read
// have no sample.
func (o Info) SampleValue(kind Kinds) (set, want any, why string) {
	if strings.HasPrefix(o.Sample, "!") {
		return nil, nil, o.Sample[1:]
	}
	if o.Sample == "" {
		if o.Codec == "bool" {
			return true, true, ""
		}
		return nil, nil, ""
	}
	sample := o.Sample
	if o.Level == "tcp" && kind == KindTCP6 {
		sample = strings.Replace(sample, "=127.0.0.", "=::", 1) // ::1, and ::0
	}
	text, after, differs := strings.Cut(sample, ">")
	set = o.ParseValue(text)
	switch {
	case !differs:
		return set, set, ""
	case after == "*":
		return set, nil, ""
	}
	return set, o.ParseValue(after), ""
}

// ParseValue makes a value for Set from text in the form of Sample: numbers, names, true and false (for booleans also on and
// off, 1 and 0), 0x and hexadecimal digits for bytes, field=value separated by commas for structures, code:jt:jf:k separated by
// "+" for filters. Set refuses a value that does not fit.
func (o Info) ParseValue(text string) any {
	switch o.Codec {
	case "bool":
		return boolOrText(text)
	case "struct":
		if o.Struct == "in_addr" {
			return text
		}
		m := map[string]any{}
		for part := range strings.SplitSeq(text, ",") {
			name, value, _ := strings.Cut(part, "=")
			m[name] = sampleScalar(value)
			if strings.HasPrefix(fieldKind(o.Struct, name), "BOOL") {
				m[name] = boolOrText(value)
			}
		}
		return m
	case "filter":
		var list []any
		for one := range strings.SplitSeq(text, "+") {
			var f SockFilter
			fmt.Sscanf(one, "%d:%d:%d:%d", &f.Code, &f.JT, &f.JF, &f.K)
			list = append(list, map[string]any{"code": int(f.Code), "jt": int(f.JT), "jf": int(f.JF), "k": int(f.K)})
		}
		return list
	case "string":
		return text
	}
	return sampleScalar(text)
}

// boolOrText returns the boolean that a word stands for, else the word.
func boolOrText(text string) any {
	switch text {
	case "true", "on", "1":
		return true
	case "false", "off", "0":
		return false
	}
	return text
}

// fieldKind returns the kind of a structure's field, "" if there is no field of that name.
func fieldKind(structure, name string) string {
	for _, f := range optionShapes[structure] {
		if f.name == name {
			return f.kind
		}
	}
	return ""
}

func sampleScalar(text string) any {
	var n int64
	switch {
	case text == "true" || text == "false":
		return text == "true"
	case strings.HasPrefix(text, "0x"):
		b, _ := hex.DecodeString(text[2:])
		return b
	}
	if c, err := fmt.Sscanf(text, "%d", &n); c == 1 && err == nil && fmt.Sprint(n) == text {
		return plain.Int(n)
	}
	return text
}
