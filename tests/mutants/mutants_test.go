package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func file(t *testing.T, name, text string) (root string) {
	t.Helper()
	root = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o666))
	return root
}

func keys(list []*mutant) (keys []string) {
	nameAll(list)
	for _, m := range list {
		_, key, _ := strings.Cut(m.key, ": ")
		keys = append(keys, key)
	}
	return keys
}

const goText = `package p

const c = 1 + 2

func (t *T) f(a, b int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a < b && t.ok {
		t.n++ // a reason
	}
	for i := range a {
		if i == 3 {
			continue
		}
	}
	t.m = a &^ b
	return true
}
`

func TestGoMutants(t *testing.T) {
	f, err := goMutants(file(t, "x.go", goText), "x.go")
	require.NoError(t, err)
	var list []*mutant
	for i := range f.wraps {
		f.wraps[i].m.id = i + 1
		list = append(list, f.wraps[i].m)
	}
	assert.ElementsMatch(t, []string{
		"t.mu.Lock() =>", "defer t.mu.Unlock() =>", "t.n++ =>", "continue =>", "t.m = a &^ b =>",
		"if a < b && t.ok { => if false {", "if a < b && t.ok { => if true {",
		"if a < b && t.ok { => if true && t.ok {", "if a < b && t.ok { => if a < b && true {",
		"if a < b && t.ok { => if a <= b && t.ok {",
		"if i == 3 { => if false {", "if i == 3 { => if true {", "if i == 3 { => if i != 3 {", "if i == 3 { => if i == 4 {",
		"t.m = a &^ b => t.m = a & b", "return true => return false",
	}, keys(list))
	for _, m := range list {
		assert.Equal(t, "T.f", m.fn)
	}
	// What is compiled is Go, has every mutant's number, and each line where it was.
	out := f.render()
	_, err = parser.ParseFile(token.NewFileSet(), "x.go", out, 0)
	require.NoError(t, err, "%s", out)
	assert.Equal(t, strings.Count(goText, "\n"), strings.Count(string(out), "\n"))
	assert.Contains(t, string(out), "const c = 1 + 2")
	for _, m := range list {
		assert.Regexp(t, `zzIs\(`+number(hash, m.id)+`\)|zzPick\(`+number(hash, m.id)+`,`, string(out))
	}
	// What does not compile can be left out.
	before := len(f.wraps)
	dropped := f.drop(8)
	require.NotEmpty(t, dropped)
	assert.Len(t, f.wraps, before-len(dropped))
}

const cText = `/* if (not) this */
#define NOR(this) if (x) \
    y++;
static int f(struct s *s, int n) {
    int i = 0;
    char *p = s->p; // a < b
    if (n < 2 && !s->on) return -1;
    while (i <= n)
        i++;
    s->count += 'n';
    g(s, "a < b");
    for (i = 0; i < n; i++) h(i);
    if (n) {
        break;
    }
    return n + 1;
}
`

func TestCMutants(t *testing.T) {
	list, err := cMutants(file(t, "x.c", cText), "x.c")
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{
		"int i = 0; => int i = 1;",
		"if (n < 2 && !s->on) return -1; => if (0) return -1;", "if (n < 2 && !s->on) return -1; => if (1) return -1;",
		"if (n < 2 && !s->on) return -1; => if (n <= 2 && !s->on) return -1;",
		"if (n < 2 && !s->on) return -1; => if (n < 3 && !s->on) return -1;",
		"if (n < 2 && !s->on) return -1; => if (n < 2 || !s->on) return -1;",
		"if (n < 2 && !s->on) return -1; => if (n < 2 && s->on) return -1;",
		"if (n < 2 && !s->on) return -1; => if (n < 2 && !s->on) return -2;",
		"if (n < 2 && !s->on) return -1; => if (n < 2 && !s->on) return -0;",
		"while (i <= n) => while (0)", "while (i <= n) => while (i < n)", "i++; => ;",
		"s->count += 'n'; => ;", "s->count += 'n'; => s->count -= 'n';", `g(s, "a < b"); => ;`,
		"for (i = 0; i < n; i++) h(i); => for (i = 1; i < n; i++) h(i);",
		"for (i = 0; i < n; i++) h(i); => for (i = 0; i <= n; i++) h(i);",
		"for (i = 0; i < n; i++) h(i); => for (i = 0; i < n; i++) ;",
		"if (n) { => if (0) {", "if (n) { => if (1) {", "break; => ;",
		"return n + 1; => return n - 1;", "return n + 1; => return n + 2;", "return n + 1; => return n + 0;",
	}, keys(list))
	for _, m := range list {
		out := string(m.mutate([]byte(cText)))
		assert.NotEqual(t, cText, out)
		assert.Equal(t, "f", m.fn)
	}
}

func TestKeysOutliveMovedLines(t *testing.T) {
	moved := strings.Replace(goText, "func (t *T)", "\n\n// More.\nfunc (t *T)", 1)
	var all [2][]*mutant
	for i, text := range []string{goText, moved} {
		f, err := goMutants(file(t, "x.go", text), "x.go")
		require.NoError(t, err)
		for _, w := range f.wraps {
			all[i] = append(all[i], w.m)
		}
	}
	assert.Equal(t, keys(all[0]), keys(all[1]))
	assert.NotEqual(t, all[0][0].line, all[1][0].line)
}

func TestArguments(t *testing.T) {
	read := func(text string) ([]*argument, error) {
		return readArguments(filepath.Join(file(t, "list", text), "list"))
	}
	list, err := read("# comment\nx.go f: a => b\nx.go f: c => d #2\n    The same\n    reason.\n\nx.go g: *\n\tAnother.\n")
	require.NoError(t, err)
	require.Len(t, list, 3)
	for key, reason := range map[string]string{
		"x.go f: a => b": "The same reason.", "x.go f: c => d #2": "The same reason.", "x.go f: c => d": "", "x.go g: anything => at all": "Another.",
	} {
		a := argued(list, &mutant{key: key})
		if reason == "" {
			assert.Nil(t, a, key)
		} else if assert.NotNil(t, a, key) {
			assert.Equal(t, reason, a.reason)
		}
	}
	_, err = read("x.go f: a => b\n")
	assert.ErrorContains(t, err, "no reason")
	_, err = read("    of nothing\n")
	assert.Error(t, err)
}

// The list of the repository can be read, and names files that exist.
func TestTheListOfArguments(t *testing.T) {
	if _, err := os.Stat("../../go.mod"); err != nil {
		t.Skip("needs the source tree")
	}
	list, err := readArguments("equivalent.txt")
	require.NoError(t, err)
	for _, a := range list {
		name, _, _ := strings.Cut(a.key, " ")
		assert.FileExists(t, filepath.Join("../..", name))
	}
	for _, name := range usual {
		assert.FileExists(t, filepath.Join("../..", name))
	}
}

func TestOrder(t *testing.T) {
	out := []byte("=== RUN   TestA\n    --- PASS: TestA/part (9.00s)\n--- PASS: TestA (0.50s)\n--- PASS: TestB (0.02s)\n" +
		"--- SKIP: TestC (3.00s)\n--- PASS: TestD (0.01s)\n--- PASS: TestE (0.00s)\n--- PASS: TestF (0.04s)\n")
	s := &suite{skip: "x", args: []string{"a"}, took: 10 * time.Second, tests: testsOf(out)}
	assert.Equal(t, []timed{{"TestE", 0}, {"TestD", 10 * time.Millisecond}, {"TestB", 20 * time.Millisecond},
		{"TestF", 40 * time.Millisecond}, {"TestA", 500 * time.Millisecond}}, s.tests)
	s.reached = map[int][]string{1: {"TestD", "TestB", "TestF"}, 2: {"TestF"}}
	runs := func(id int) (args [][]string, skips []string) {
		for _, part := range order([]*suite{s}, id, false) {
			args, skips = append(args, part.args), append(skips, part.skip)
		}
		return args, skips
	}
	args, skips := runs(1)
	assert.Equal(t, [][]string{{"a", "-test.run=^(TestD)$"}, {"a", "-test.run=^(TestB|TestF)$"}, {"a"}}, args)
	assert.Equal(t, []string{"x", "x", "x|^(TestD|TestB|TestF)$"}, skips)
	args, skips = runs(2)
	assert.Equal(t, [][]string{{"a", "-test.run=^(TestF)$"}, {"a"}}, args)
	assert.Equal(t, []string{"x", "x|^(TestF)$"}, skips)
	args, _ = runs(3)
	assert.Equal(t, [][]string{{"a"}}, args)
	assert.Len(t, order([]*suite{s}, 1, true), 2)
	assert.Empty(t, order([]*suite{s}, 3, true))
}
