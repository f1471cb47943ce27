package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/sourcetree"
	"github.com/esock-go/esock/internal/testwait"
)

// showing is a command in README, and its output. … stands for any text; on a line of its own, for any lines.
type showing struct {
	line   string
	output string
	first  bool // it runs in one terminal, and the following commands in another
}

const firstTerminal = "# in one terminal"

// readmeBlocks are the commands of each block of README's section about the command.
func readmeBlocks(t *testing.T) (blocks [][]showing) {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(b), "\n## The command\n")
	require.True(t, ok, "the section has another title")
	section, _, _ = strings.Cut(section, "\n## ")
	parts := strings.Split(section, "```console\n")
	for _, part := range parts[1:] {
		text, _, _ := strings.Cut(part, "```\n")
		var block []showing
		for line := range strings.Lines(text) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				block = append(block, showing{line: command, first: strings.Contains(command, firstTerminal)})
				continue
			}
			require.NotEmpty(t, block, line)
			block[len(block)-1].output += line
		}
		blocks = append(blocks, block)
	}
	require.NotEmpty(t, blocks)
	return blocks
}

// README shows each command, with the output that it has.
func TestREADMEShowsTheCommand(t *testing.T) {
	sourcetree.Need(t)
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	all := ""
	for _, block := range readmeBlocks(t) {
		t.Run(block[0].line, func(t *testing.T) {
			dir, port := readmePlace(t), freePort(t)
			var first *inTerminal
			for _, s := range block {
				all += strings.TrimSpace(s.line) + " "
				if strings.Contains(s.line, "esock ifs") && !ordinaryLoopback() {
					continue
				}
				if strings.Contains(s.line, "localhost") {
					if _, err := net.LookupHost("localhost"); err != nil {
						t.Skip(err)
					}
				}
				s.line, s.output = readmePorts.ReplaceAllString(s.line, port), readmePorts.ReplaceAllString(s.output, port)
				c := startIn(t, bash, dir, s.line)
				if s.first {
					first = c
					first.want = s.output
					first.waitFor(t, strings.SplitAfterN(s.output, "\n", 2)[0])
					continue
				}
				c.end(t, false)
				assert.Regexp(t, readmePattern(s.output), squeezed(c.text()), s.line)
			}
			if first != nil {
				first.end(t, strings.Contains(block[0].line, " serve "))
				assert.Regexp(t, readmePattern(first.want), squeezed(first.text()), block[0].line)
			}
		})
	}
	for _, node := range model(t).Leaves(true) {
		assert.True(t, strings.Contains(all, "esock "+node.Path()+" "), "README does not show %s", node.Path())
	}
}

var (
	readmePorts = regexp.MustCompile(`\b(5678|8080)\b`)
	blanks      = regexp.MustCompile(`[ \t]+`)
	anyPort     = regexp.MustCompile(`:\d{4,5}\b`)
)

// squeezed is text without what depends on how wide the columns of a machine are, and on the ports that were free.
func squeezed(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return anyPort.ReplaceAllString(blanks.ReplaceAllString(text, " "), ":PORT")
}

// readmePattern is the expression for an output.
func readmePattern(output string) string {
	text := regexp.QuoteMeta(squeezed(output))
	text = strings.ReplaceAll("\n"+text, "\n…\n", "\n(?:.*\n)*")
	text = strings.ReplaceAll(text, "\n…\n", "\n(?:.*\n)*") // two in a row share a newline
	return `\A` + strings.ReplaceAll(strings.TrimPrefix(text, "\n"), "…", ".*") + `\z`
}

// readmePlace makes a directory for the commands: with what they read, and the command itself in bin.
func readmePlace(t *testing.T) string {
	t.Helper()
	dir, root := t.TempDir(), "../.."
	for _, name := range []string{"LICENSE", "docs"} {
		target, err := filepath.Abs(filepath.Join(root, name))
		require.NoError(t, err)
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o755))
	script := "#!/bin/sh\n" + childArgs + "=$(printf '%s\\n' \"$@\") exec " + os.Args[0] + " -test.run='^TestChild$'\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bin", "esock"), []byte(script), 0o755))
	return dir
}

// freePort is a port that no program uses, and that the system gives to none that asks for any.
func freePort(t *testing.T) string {
	t.Helper()
	for n := 15000 + os.Getpid()%10000; n < 32000; n++ {
		at := net.JoinHostPort("0.0.0.0", strconv.Itoa(n))
		l, err := net.Listen("tcp4", at)
		if err != nil {
			continue
		}
		l.Close()
		if u, err := net.ListenPacket("udp4", at); err == nil {
			u.Close()
			return strconv.Itoa(n)
		}
	}
	t.Skip("no port is free")
	return ""
}

// ordinaryLoopback reports whether the first interface is the loopback, as README shows it.
func ordinaryLoopback() bool {
	i, err := net.InterfaceByIndex(1)
	return err == nil && i.Name == "lo" && i.MTU == 65536 && i.Flags&net.FlagUp != 0 && machine.Lacks() == ""
}

// inTerminal is a command that runs, and what it prints.
type inTerminal struct {
	cmd  *exec.Cmd
	out  written
	read chan struct{} // closed at the end of the output
	want string
}

func startIn(t *testing.T, bash, dir, line string) *inTerminal {
	t.Helper()
	c := &inTerminal{cmd: exec.Command(bash, "-c", line), read: make(chan struct{})}
	c.cmd.Dir = dir
	c.cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "NO_COLOR=", "COLUMNS=")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	c.cmd.Stdout, c.cmd.Stderr = w, w
	require.NoError(t, c.cmd.Start())
	w.Close()
	go func() {
		defer close(c.read)
		defer r.Close()
		io.Copy(&c.out, bufio.NewReader(r))
	}()
	t.Cleanup(func() { syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) })
	return c
}

func (c *inTerminal) text() string { return c.out.String() }

// waitFor waits for the first line.
func (c *inTerminal) waitFor(t *testing.T, line string) {
	t.Helper()
	pattern := regexp.MustCompile(strings.TrimSuffix(readmePattern(line), `\z`))
	testwait.Until(t, line, func() bool { return pattern.MatchString(squeezed(c.text())) })
}

// end waits until the command has ended, after an interrupt if it runs until then.
func (c *inTerminal) end(t *testing.T, interrupt bool) {
	t.Helper()
	if interrupt {
		require.NoError(t, syscall.Kill(-c.cmd.Process.Pid, syscall.SIGINT))
	}
	ended := make(chan error, 1)
	go func() { ended <- c.cmd.Wait() }()
	assert.NoError(t, testwait.Result(t, "the end of the command", ended), c.text())
	<-c.read
}
