package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// model is the one that the help, the completions and the manual page are made of.
func model(t *testing.T) *kong.Application {
	t.Helper()
	parser, err := newParser(io.Discard, io.Discard, func(int) {})
	require.NoError(t, err)
	return parser.Model
}

// everyName calls f with each command, and with each of its flags.
func everyName(t *testing.T, f func(command []string, flag *kong.Flag)) {
	t.Helper()
	m := model(t)
	for _, c := range completedOf(m.Node)[1:] {
		f(c.words, nil)
	}
	for _, node := range append(m.Leaves(true), m.Node) {
		for _, flag := range node.Flags {
			f(strings.Fields(node.Path()), flag)
		}
	}
}

func TestCompletionsHaveEveryCommandAndFlag(t *testing.T) {
	for shell, long := range map[string]string{"bash": "--", "zsh": "--", "fish": "-l "} {
		_, script, errs := command(t, "completion", shell)
		require.Empty(t, errs)
		everyName(t, func(words []string, flag *kong.Flag) {
			if flag == nil {
				assert.True(t, strings.Contains(script, words[len(words)-1]), "%s: %v", shell, words)
			} else {
				assert.True(t, strings.Contains(script, long+flag.Name), "%s: %v %s", shell, words, flag.Name)
			}
		})
		file := filepath.Join(t.TempDir(), "script")
		require.NoError(t, os.WriteFile(file, []byte(script), 0o600))
		if path, err := exec.LookPath(shell); err == nil {
			out, err := exec.Command(path, "-n", file).CombinedOutput()
			assert.NoError(t, err, "%s: %s", shell, out)
			assert.Empty(t, string(out), shell)
		} else {
			t.Log("the script is not parsed: ", err)
		}
	}
	code, _, errs := command(t, "completion", "tcsh")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, `must be one of "bash", "zsh", "fish"`)
}

// What bash offers after these words.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	_, script, _ := command(t, "completion", "bash")
	file := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(file, []byte(script), 0o600))
	for line, want := range map[string]string{
		"esock ve":                              "version",
		"esock opt ":                            "get set",
		"esock opt get tc":                      "tcp",
		"esock opt get tcp nodel":               "nodelay",
		"esock opt get tcp nodelay ":            "",
		"esock opt get --domain inet tcp nodel": "nodelay",
		"esock opt get --dom":                   "--domain",
		"esock opt get --domain = vso":          "vsock",
		"esock opt get --domain = vsock tc":     "tcp",
		"esock options --level ud":              "udp udplite",
		"esock options --probe --j":             "--json",
		"esock connect --packet sun":            "sunrm",
		"esock connect -p sun":                  "sunrm",
		"esock i local_address sta":             "state",
		"esock completion ":                     "bash zsh fish",
		"esock supports opt":                    "options",
		"esock help op":                         "opt options",
		"esock demo /etc/ho":                    "FILES",
		"esock serve /et":                       "/etc",
		"esock version ":                        "",
		"esock --ver":                           "--version",
	} {
		words := strings.Split(line, " ")
		c := exec.Command(bash, "--norc", "-c", `source "$1"; shift; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
			_esock; echo "${COMPREPLY[*]}"`, "bash", file)
		c.Args = append(c.Args, words...)
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s: %s", line, out)
		got := strings.TrimSpace(string(out))
		if want == "FILES" {
			matches, err := filepath.Glob(words[len(words)-1] + "*")
			require.NoError(t, err)
			want = strings.Join(matches, " ")
			assert.ElementsMatch(t, matches, strings.Fields(got), line)
			continue
		}
		assert.Equal(t, want, got, line)
	}
}

func TestManHasEverything(t *testing.T) {
	_, page, errs := command(t, "man")
	require.Empty(t, errs)
	everyName(t, func(words []string, flag *kong.Flag) {
		if flag != nil && !flag.Hidden {
			assert.True(t, strings.Contains(page, roffText("--"+flag.Name)), flag.Name)
		}
	})
	for _, p := range pages(model(t)) {
		assert.True(t, strings.Contains(page, roffText(p.synopsis)), p.synopsis)
		for _, e := range p.examples {
			for line := range strings.SplitSeq(e.line, "\n") {
				assert.True(t, strings.Contains(page, "\n"+roffText(line)+"\n"), line)
			}
		}
	}
	for line := range strings.Lines(page) {
		assert.NotRegexp(t, `^\.[^A-Z]|^'`, line, "it is read as a request")
	}
	for _, tool := range [][]string{{"mandoc", "-T", "lint", "-W", "error"}, {"groff", "-man", "-ww", "-Tutf8"}} {
		path, err := exec.LookPath(tool[0])
		if err != nil {
			t.Log("not checked: ", err)
			continue
		}
		c := exec.Command(path, tool[1:]...)
		c.Stdin = strings.NewReader(page)
		var text, warnings strings.Builder
		c.Stdout, c.Stderr = &text, &warnings
		assert.NoError(t, c.Run(), tool)
		assert.Empty(t, warnings.String(), tool)
		if tool[0] == "groff" {
			plain := strings.Join(strings.Fields(colourless(text.String())), " ")
			assert.Contains(t, plain, "Read an option of a new socket.")
			assert.Contains(t, plain, `printf 'GET / HTTP/1.1\r\n'`)
		}
	}
}

func TestRoffText(t *testing.T) {
	assert.Equal(t, `\&.x \e\-\(aq`, roffText(`.x \-'`))
	assert.Equal(t, `\(aqx`, roffText(`'x`))
}
