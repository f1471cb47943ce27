package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// How the values of flags are read. kong puts the flag's name in front of an error, which says in words what the flag takes.

// valueOptions returns the readers of texts, numbers and times.
func valueOptions() []kong.Option {
	opts := []kong.Option{kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(readTime))}
	for _, k := range []reflect.Kind{reflect.Int, reflect.Int64} {
		opts = append(opts, kong.KindMapper(k, kong.MapperFunc(readNumber)))
	}
	return append(opts, kong.KindMapper(reflect.String, kong.MapperFunc(readText)))
}

func readText(ctx *kong.DecodeContext, target reflect.Value) error {
	text, err := popText(ctx, "a value")
	if err == nil {
		target.SetString(text)
	}
	return err
}

func readTime(ctx *kong.DecodeContext, target reflect.Value) error {
	text, err := popText(ctx, "a time")
	if err != nil {
		return err
	}
	unit := ""
	if strings.Trim(text, "0123456789.") == "" {
		unit = "s" // as other commands read a number
	}
	d, err := time.ParseDuration(text + unit)
	if err != nil {
		return fmt.Errorf("must be a time such as 90, 90s or 1m30s, of up to 292 years, not %q", text)
	}
	target.SetInt(int64(d))
	return nil
}

func readNumber(ctx *kong.DecodeContext, target reflect.Value) error {
	text, err := popText(ctx, "a number")
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(text, 0, target.Type().Bits())
	if err != nil {
		return fmt.Errorf("must be a whole number of up to 64 bits, not %q", text)
	}
	target.SetInt(n)
	return nil
}

// popText returns the value of a flag. A word that looks like another flag is one, unless it follows "=".
func popText(ctx *kong.DecodeContext, what string) (string, error) {
	t, err := ctx.Scan.PopValue(what)
	if err != nil {
		return "", fmt.Errorf("needs %s; write one that begins with a minus as --%s=-…", what, ctx.Value.Name)
	}
	return fmt.Sprint(t.Value), nil
}

// emptyValue returns an error that names a flag or an optional argument whose value is the empty text, which is not the
// same as leaving it out. The tag `empty:""` allows it.
func emptyValue(ctx *kong.Context) error {
	for _, p := range ctx.Path {
		v, name := (*kong.Value)(nil), ""
		switch {
		case p.Flag != nil:
			v, name = p.Flag.Value, "--"+p.Flag.Name
		case p.Positional != nil && !p.Positional.Required:
			v, name = p.Positional, p.Positional.Name
		}
		if v == nil || v.Tag.Has("empty") {
			continue
		}
		switch v.Target.Kind() {
		case reflect.String, reflect.Slice:
			if v.Target.Len() == 0 {
				return fmt.Errorf("%s: the value is empty", name)
			}
		}
	}
	return nil
}

// jsonCause says in words what is wrong with a JSON text; "" if the error is about something else.
func jsonCause(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Sprintf("its field %s has a value of kind %s", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return fmt.Sprintf("it is of kind %s", kind.Value)
	case errors.As(err, &syntax):
		return fmt.Sprintf("it is not JSON from byte %d on", syntax.Offset)
	}
	return ""
}
