package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

const module = "github.com/esock-go/esock"

// imports says which packages of the module each of its packages may import, its tests apart. "." is package esock. Packages
// are in the order of the floors: each imports only what is above it in this list. internal/sourcetree, watchdog, zerocall,
// machine, testwait, testint, testmain and callback help tests: only tests may import them.
var imports = []struct{ of, may string }{
	{"csrc", ""},
	{"csrc/sim", "csrc"},
	{"internal/needlinux", ""},
	{"internal/needcgo", "internal/needlinux"},
	{"internal/plain", "internal/needlinux"},
	{"internal/ctext", ""},
	{"internal/bytesize", ""},
	{"internal/kernel", "internal/needlinux"},
	{"internal/corecall", ""},
	{"internal/layered", ""},
	{"internal/loopcall", ""},
	{"internal/sourcetree", ""},
	{"internal/watchdog", ""},
	{"internal/zerocall", ""},
	{"internal/machine", ""},
	{"internal/testwait", ""},
	{"internal/testint", ""},
	{"internal/testmain", "internal/machine internal/watchdog"},
	{"internal/callback", ""},
	{"internal/optgen", ""},
	{"internal/layoutgen", ""},
	{"packet", ""},
	{"internal/packetjson", "packet"},

	{".", "csrc internal/needcgo internal/corecall internal/layered internal/loopcall internal/kernel internal/plain internal/ctext"},

	{"esocktest", ". csrc/sim internal/kernel"},
	{"sockopt", ". internal/corecall internal/kernel internal/plain internal/ctext"},
	{"netdevice", ". internal/corecall internal/plain"},
	{"sockdiag", ". sockopt"},
	{"sctp", ". sockopt internal/corecall internal/plain"},
	{"supports", ". sockopt netdevice internal/loopcall internal/plain"},
	{"netconn", ". sockopt internal/corecall internal/layered"},

	{"datagram", ". sockopt internal/layered"},
	{"engine", ". sockopt packet internal/loopcall internal/kernel"},

	{"internal/testkit", ". sockopt"},

	{"internal/active", ". packet internal/layered"},
	{"gentcp", ". sockopt packet internal/active internal/layered internal/plain internal/ctext"},
	{"hackney", ". sockopt gentcp packet internal/active"},
	{"internal/fileserver", ". gentcp packet internal/bytesize"},

	{"cmd/esock", ". sockopt netdevice sockdiag supports packet gentcp hackney internal/fileserver internal/bytesize internal/packetjson internal/plain"},
	{"examples", ""},
	{"examples/gentcp-client", ". gentcp packet"},
	{"examples/gentcp-workers", ". gentcp packet"},
	{"examples/restart", "netconn"},
	{"examples/engine-chat", ". engine packet"},
	{"examples/engine-echo", ". engine"},
	{"examples/engine-http", ". engine packet"},
	{"examples/sctp-chat", ". sockopt sctp"},
	{"examples/multicast", ". datagram sockopt"},
	{"examples/sharding", "netconn sockopt"},
	{"tests", ""},
	{"tests/interop", ""},
	{"tests/kernels", ""},
	{"tests/kernels/guest", "tests/kernels"},
	{"tests/kernels/parked", ". engine netdevice"},
	{"tests/kernels/table", "tests/kernels"},
	{"tests/mutants", ""},
}

// No package imports upward, or what the table does not list.
func TestPackagesImportWhatTheLayoutSays(t *testing.T) {
	sourcetree.Need(t)
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the command go lists the imports: ", err)
	}
	list := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...")
	list.Dir = ".."
	var complaints strings.Builder
	list.Stderr = &complaints
	out, err := list.Output()
	require.NoError(t, err, complaints.String())

	place, may := map[string]int{}, map[string][]string{}
	for i, row := range imports {
		place[row.of], may[row.of] = i, words(row.may)
	}
	for of, list := range may {
		for _, p := range list {
			above, known := place[p]
			assert.True(t, known && above < place[of], "the table lets %s import %s, which is not above it there", of, p)
		}
	}

	var found []string
	for line := range strings.Lines(string(out)) {
		names := ownNames(words(line))
		if len(names) == 0 || !strings.HasPrefix(line, module) { // another's
			continue
		}
		of := names[0]
		found = append(found, of)
		if _, known := place[of]; !known {
			assert.Fail(t, "no row", "package %s is not in the table: say what it may import", of)
			continue
		}
		for _, p := range names[1:] {
			assert.Contains(t, may[of], p, "%s may not import %s", of, p)
		}
	}
	for of := range place {
		assert.Contains(t, found, of, "the table has a package that is not there")
	}
}

// ownNames are those of the import paths that are of this module, without its name.
func ownNames(paths []string) (names []string) {
	for _, p := range paths {
		if name, ok := strings.CutPrefix(p, module+"/"); ok {
			names = append(names, name)
		} else if p == module {
			names = append(names, ".")
		}
	}
	return names
}

// The core is called by one file, the simulation by another, and two more make the Go tool compile them.
func TestOnlyTheBoundaryImportsC(t *testing.T) {
	sourcetree.Need(t)
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the command go lists the files: ", err)
	}
	list := exec.Command("go", "list", "-f", "{{$p := .ImportPath}}{{range .CgoFiles}}{{$p}}/{{.}}\n{{end}}", "./...")
	list.Dir = ".."
	out, err := list.Output()
	require.NoError(t, err)
	files := words(string(out))
	slices.Sort(files)
	assert.Equal(t, []string{module + "/cgo.go", module + "/csrc/csrc.go", module + "/csrc/sim/sim.go", module + "/esocktest/cgo.go"}, files)
}

// Memory of the core comes from the table of system calls, where a test lets it run out (tests/c/memory_test.c).
func TestCoreAllocatesThroughItsTable(t *testing.T) {
	allocates := regexp.MustCompile(`(?:^|[^\w.>])((?:[mc]|re|v|pv|aligned_)alloc|reallocarray|free|strn?dup|v?asprintf|` +
		`posix_memalign|memalign|getline|getdelim|open_memstream|fopen|fdopen|opendir|getaddrinfo|if_nameindex)\(`)
	for _, line := range []string{"p = malloc(1);", "free(p);", "(free(p))", "return calloc(1, 2);", "x = strdup(s);"} {
		require.Regexp(t, allocates, line)
	}
	files, err := filepath.Glob("../csrc/*.[ch]")
	require.NoError(t, err)
	require.Contains(t, files, "../csrc/esock_sys.c")
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		found := allocates.FindAllStringSubmatch(string(text), -1)
		if filepath.Base(file) == "esock_sys.c" {
			assert.Len(t, found, 2, "%s: malloc and free", file)
		} else {
			assert.Empty(t, found, "%s calls libc instead of sys->alloc or sys->free", file)
		}
	}
}
