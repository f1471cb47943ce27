package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// variable names the mutant that is alive, for the binaries that have all of a file's.
const variable = "ESOCK_MUTANT"

// verdict is how a mutant ended.
type verdict int

const (
	killed   verdict = iota
	hung             // killed, by a test that does not end
	survived         // all tests pass
	unbuilt          // it does not compile
	untried          // there was no time
)

var verdictNames = [...]string{"killed", "killed by a hang", "SURVIVED", "does not compile", "not tried"}

func (v verdict) String() string { return verdictNames[v] }

// suite is a test binary: where it runs, and how.
type suite struct {
	name  string
	bin   string
	dir   string
	args  []string
	env   []string
	skip  string        // a regular expression of tests to leave out
	limit time.Duration // of one test; 0: hangs

	took    time.Duration    // without a mutant
	tests   []timed          // the quickest first
	reached map[int][]string // by mutant: the tests that come by it, the quickest first
}

const (
	// hangs is how long one test may take in a mutant, quickly one that takes hardly any time without, and most what a whole
	// binary may.
	hangs   = 12 * time.Second
	quickly = 5 * time.Second
	most    = 3 * time.Minute
	// memory that a mutant may ask for, in kilobytes: it may be one that never stops asking
	memory = 8 << 20
)

// run runs a suite with some environment and says how it ended, and by which test.
func (s *suite) run(env ...string) (verdict, string) {
	v, by, _ := s.output(env...)
	return v, by
}

// output is run, and what the suite wrote.
func (s *suite) output(env ...string) (verdict, string, []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	limit := fmt.Sprintf(`ulimit -v %d; ulimit -c 0; exec "$@"`, memory)
	args := append([]string{"-c", limit, "mutant", s.bin}, s.args...)
	if s.skip != "" {
		args = append(args, "-test.skip="+s.skip)
	}
	c := exec.CommandContext(ctx, "bash", args...)
	c.Dir = s.dir
	c.Env = append(append(append(os.Environ(), s.env...), env...), "ESOCK_TEST_LIMIT="+cmp.Or(s.limit, hangs).String())
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
	out, err := c.CombinedOutput()
	if err == nil {
		return survived, "", out
	}
	by := whoFailed(out)
	if ctx.Err() != nil || bytes.Contains(out, []byte("watchdog: ")) || bytes.Contains(out, []byte("panic: test timed out")) {
		return hung, cmp.Or(by, s.name), out
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		fail("%s: %v", s.name, err)
	}
	return killed, cmp.Or(by, s.name+": "+lastLine(out, err)), out
}

// try runs the suites with a mutant until one kills it. original is the environment without the mutant: a test that fails with
// it as well, because of the machine, has killed nothing, and is left out.
func try(suites []*suite, mutated, original string) (verdict, string) {
	for _, s := range suites {
		for range 4 {
			v, by := s.run(mutated)
			if v == survived {
				break
			}
			name, _, _ := strings.Cut(by, "/")
			if !strings.HasPrefix(name, "Test") || s.only(name).passes(original) {
				return v, by
			}
			s = s.without(name)
		}
	}
	return survived, ""
}

// baseline runs the suite without a mutant, and notes how long its tests take. Tests that fail are left out from then on; when
// there are many, nothing is tried.
func (s *suite) baseline(env string) {
	for range 12 {
		loud := *s
		loud.args = append(slices.Clone(s.args), "-test.v")
		start := time.Now()
		v, by, out := loud.output(env)
		if v == survived {
			s.took = time.Since(start)
			s.tests = testsOf(out)
			fmt.Printf("%s: passes without a mutant, in %v\n", s.name, s.took.Round(100*time.Millisecond))
			return
		}
		name, _, _ := strings.Cut(by, "/")
		if !strings.HasPrefix(name, "Test") {
			fail("%s fails without a mutant: %s", s.name, by)
		}
		fmt.Printf("%s: %s fails without a mutant, and is LEFT OUT\n", s.name, name)
		*s = *s.without(name)
	}
	fail("%s: many tests fail without a mutant", s.name)
}

func (s *suite) passes(env string) bool {
	v, _ := s.run(env)
	return v == survived
}

func (s *suite) only(names ...string) *suite {
	only := *s
	only.args = append(slices.Clone(s.args), "-test.run="+oneOf(names))
	return &only
}

func (s *suite) without(names ...string) *suite {
	less := *s
	less.skip = strings.TrimPrefix(s.skip+"|"+oneOf(names), "|")
	return &less
}

func oneOf(names []string) string { return "^(" + strings.Join(names, "|") + ")$" }

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)|^\[  FAILED  \] (?:tests: )?(\w+)$|^watchdog: (\S+)`)

func whoFailed(out []byte) string {
	if m := failedTest.FindSubmatch(out); m != nil {
		return string(bytes.Join(m[1:], nil))
	}
	return ""
}

func lastLine(out []byte, err error) string {
	for l := range strings.Lines(string(out)) {
		if strings.HasPrefix(l, "panic: ") || strings.HasPrefix(l, "fatal error: ") {
			return strings.TrimSpace(l)
		}
	}
	return err.Error()
}

// fail ends the program: it could not do its work.
func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "mutants: "+format+"\n", args...)
	os.Exit(2)
}

// goPackages are the test binaries that try what is written in Go, the quickest to kill first.
var goPackages = []string{".", "./tests"}

// compile builds the test binaries with some files replaced. What the compiler said is the error.
func compile(root, dir string, replace map[string]string, packages []string) ([]*suite, error) {
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o666); err != nil {
		return nil, err
	}
	var list []*suite
	for i, p := range packages {
		s := &suite{name: "go test " + p, bin: filepath.Join(dir, strconv.Itoa(i)+".test"), dir: filepath.Join(root, p),
			args: []string{"-test.failfast", "-test.timeout=" + most.String()}}
		c := exec.Command("go", "test", "-c", "-vet=off", "-gcflags=-e", "-overlay", file, "-o", s.bin, p)
		c.Dir = root
		if out, err := c.CombinedOutput(); err != nil {
			return nil, errors.New(string(out))
		}
		list = append(list, s)
	}
	return list, nil
}

var compileError = regexp.MustCompile(`([^\s:/]+\.go):(\d+)(?::\d+)?: `)

// buildGo compiles the files with all their mutants into the test binaries. It returns those that cannot be compiled.
func buildGo(root, dir string, files []*goFile) (suites []*suite, dropped []*mutant) {
	for range 10 {
		replace := map[string]string{filepath.Join(root, "zz_mutant.go"): filepath.Join(dir, "zz_mutant.go")}
		write(filepath.Join(dir, "zz_mutant.go"), []byte(switchFile))
		for _, f := range files {
			name := filepath.Join(dir, filepath.Base(f.path))
			write(name, f.render())
			replace[filepath.Join(root, f.path)] = name
		}
		suites, err := compile(root, dir, replace, goPackages)
		if err == nil {
			return suites, dropped
		}
		before := len(dropped)
		for _, e := range compileError.FindAllStringSubmatch(err.Error(), -1) {
			for _, f := range files {
				if line, _ := strconv.Atoi(e[2]); filepath.Base(f.path) == e[1] {
					dropped = append(dropped, f.drop(line)...)
				}
			}
		}
		if len(dropped) == before {
			fail("the mutants cannot be compiled:\n%v", err)
		}
	}
	fail("the mutants cannot be compiled")
	return nil, nil
}

func write(name string, b []byte) {
	if err := os.WriteFile(name, b, 0o666); err != nil {
		fail("%v", err)
	}
}

// cBase is the C core and its unit tests, compiled once.
type cBase struct {
	root, dir string
	objects   map[string]string // by source
	tests     []string
	suites    []*suite // of the Go tests
}

var cFlags = []string{"-std=gnu11", "-O1", "-fPIC", "-w", "-pthread"}

func buildC(root, dir string) *cBase {
	b := &cBase{root: root, dir: dir, objects: map[string]string{}}
	sources, _ := filepath.Glob(filepath.Join(root, "csrc", "*.c"))
	for _, s := range sources {
		o := filepath.Join(dir, filepath.Base(s)+".o")
		b.must("-c", s, "-o", o)
		b.objects[s] = o
	}
	if out, err := b.link(dir, nil); err != nil {
		fail("the core cannot be linked:\n%s", out)
	}
	numbers := filepath.Join(dir, "opt_numbers.c")
	gen := exec.Command("sh", filepath.Join(root, "tests/c/gen_opt_numbers.sh"), filepath.Join(root, "csrc/esock_opt.def"))
	out, err := gen.Output()
	if err != nil {
		fail("gen_opt_numbers.sh: %v", err)
	}
	write(numbers, out)
	tests, _ := filepath.Glob(filepath.Join(root, "tests/c", "*_test.c"))
	for _, t := range tests {
		bin := filepath.Join(dir, strings.TrimSuffix(filepath.Base(t), ".c"))
		args := []string{t, filepath.Join(root, "tests/c/script.c")}
		if filepath.Base(t) == "opt_test.c" {
			args = append(args, numbers)
		}
		b.must(append(args, "-L"+dir, "-lesock", "-lcmocka", "-o", bin)...)
		b.tests = append(b.tests, bin)
	}
	return b
}

func (b *cBase) cc(args ...string) ([]byte, error) {
	flags := append(append([]string{}, cFlags...), "-I"+filepath.Join(b.root, "csrc"), "-I"+filepath.Join(b.root, "tests/c"))
	return exec.Command(cmp.Or(os.Getenv("CC"), "cc"), append(flags, args...)...).CombinedOutput()
}

func (b *cBase) must(args ...string) {
	if out, err := b.cc(args...); err != nil {
		fail("%s\n%s", strings.Join(args, " "), out)
	}
}

// link makes the shared library in a folder, with some objects instead of the usual ones.
func (b *cBase) link(dir string, instead map[string]string) ([]byte, error) {
	args := []string{"-shared", "-o", filepath.Join(dir, "libesock.so")}
	for source, object := range b.objects {
		args = append(args, cmp.Or(instead[source], object))
	}
	return b.cc(args...)
}

// suite is how a program of the C tests is run with the core in a folder.
func (b *cBase) suite(test, dir string) *suite {
	return &suite{name: filepath.Base(test), bin: "timeout", dir: b.root, args: []string{"10", test}, env: []string{"LD_LIBRARY_PATH=" + dir}}
}

// baseline runs the C tests without a mutant. Programs that fail are left out; when there are many, nothing is tried.
func (b *cBase) baseline() {
	all := len(b.tests)
	b.tests = slices.DeleteFunc(b.tests, func(t string) bool {
		v, by := b.suite(t, b.dir).run()
		if v != survived {
			fmt.Printf("tests/c: %s fails without a mutant (%s), and is LEFT OUT\n", filepath.Base(t), by)
		}
		return v != survived
	})
	if len(b.tests) < all-3 {
		fail("many tests of the core fail without a mutant")
	}
}

// try runs the C tests with one mutant and, if it survives, the Go tests.
func (b *cBase) try(m *mutant, dir string) (verdict, string) {
	source := filepath.Join(b.root, m.file)
	src, err := os.ReadFile(source)
	if err != nil {
		fail("%v", err)
	}
	mutated, object := filepath.Join(dir, filepath.Base(m.file)), filepath.Join(dir, "mutant.o")
	write(mutated, m.mutate(src))
	if _, err := b.cc("-c", mutated, "-o", object); err != nil {
		return unbuilt, ""
	}
	if _, err := b.link(dir, map[string]string{source: object}); err != nil {
		return unbuilt, ""
	}
	for _, t := range b.tests {
		s := b.suite(t, dir)
		switch v, by := s.run(); {
		case v == survived:
		case strings.HasSuffix(by, "exit status 124"):
			return hung, s.name
		default:
			return v, by
		}
	}
	return try(b.suites, "LD_LIBRARY_PATH="+dir, "LD_LIBRARY_PATH="+b.dir)
}

// buildGo compiles the Go tests against the shared library, so that the core can be another in each run.
func (b *cBase) buildGo() {
	csrc := filepath.Join(b.root, "csrc", "csrc.go")
	src, err := os.ReadFile(csrc)
	if err != nil {
		fail("%v", err)
	}
	linked, ok := strings.CutSuffix(string(src[:bytes.Index(src, []byte("*/"))]), "\n")
	if !ok {
		fail("csrc.go: where are its #cgo lines?")
	}
	goFile, empty := filepath.Join(b.dir, "csrc.go"), filepath.Join(b.dir, "empty.c")
	write(goFile, []byte(linked+"\n#cgo LDFLAGS: -L"+b.dir+" -lesock\n"+string(src[len(linked)+1:])))
	write(empty, nil)
	replace := map[string]string{csrc: goFile}
	for source := range b.objects {
		replace[source] = empty
	}
	dir := mkdir(b.dir, "shared")
	if b.suites, err = compile(b.root, dir, replace, goPackages); err != nil {
		fail("the tests with a shared core cannot be compiled:\n%v", err)
	}
}
