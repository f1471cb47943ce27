package main

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esock-go/esock"
)

// shown returns a value in a form for text and JSON. Bytes are in hexadecimal digits, and inside another value as 0x….
func shown(v any) any {
	switch v := v.(type) {
	case []byte:
		return hex.EncodeToString(v)
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, x := range v {
			m[key] = shownIn(x)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = shownIn(x)
		}
		return list
	case *esock.Mailbox: // a new socket has no owner
		return nil
	case fmt.Stringer:
		return v.String()
	case esock.RcvBuf:
		return map[string]any{"n": v.N, "size": v.Size}
	}
	return v
}

func shownIn(v any) any {
	if b, ok := v.([]byte); ok {
		return "0x" + hex.EncodeToString(b)
	}
	return shown(v)
}

// valueText returns a value as text for people. The keys of maps are sorted.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		if v == "" {
			return `""`
		}
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		parts := make([]string, len(keys))
		for i, key := range keys {
			parts[i] = key + " " + nestedText(v[key])
		}
		return strings.Join(parts, ", ")
	case []any:
		if len(v) == 0 {
			return "an empty list"
		}
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = nestedText(x)
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}

func nestedText(v any) string {
	switch v.(type) {
	case map[string]any, []any:
		return "{" + valueText(v) + "}"
	}
	return valueText(v)
}
