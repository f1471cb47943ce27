package plain

import (
	"fmt"
	"reflect"
)

// Sound returns an error that a caller's code made, of which nothing is known. If it is or wraps a nil pointer, as a variable
// of type *T gives that was never set, its methods may panic; then Sound returns one that says so, and from whom it is.
func Sound(from string, err error) error {
	if t := nilIn(err); t != nil {
		return fmt.Errorf("%s has a nil %v as its error", from, t)
	}
	return err
}

// nilIn returns the type of the first nil pointer in the tree of an error, nil if there is none.
func nilIn(err error) reflect.Type {
	if err == nil {
		return nil
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.IsNil() {
		return v.Type()
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return nilIn(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if t := nilIn(one); t != nil {
				return t
			}
		}
	}
	return nil
}
