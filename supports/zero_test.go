package supports

import (
	"embed"
	"testing"

	"github.com/esock-go/esock/internal/zerocall"
)

//go:embed *.go
var source embed.FS

// Nothing panics that is called with zero values, and on nil pointers.
func TestZeroValuesAreHarmless(t *testing.T) {
	zerocall.Package{Source: source, Types: []any{Option(0), Table{}}, Values: map[string]any{"255": Option(255)},
		Funcs: map[string]any{"All": All, "Is": Is, "ParseOption": ParseOption, "TableFromMap": TableFromMap}}.Run(t)
}
