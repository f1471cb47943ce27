package interop

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

const bigSize = 100 << 20

// site is a running "esock serve" and the directory it serves.
type site struct {
	curl string // the program
	url  string
	dir  string
	big  []byte // the content of big.bin
}

var addressLine = regexp.MustCompile(`(http://[0-9.]+:[0-9]+)`)

// serve builds the command, and starts it over a directory: big.bin, small.txt, empty, "a b.txt" and sub/deep.txt.
// Beside the directory lies secret.txt, and in it are links to that and to where it lies.
func serve(t *testing.T) site {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl: ", err)
	}
	above := t.TempDir()
	sourcetree.Need(t)
	bin := filepath.Join(above, "esock")
	out, err := exec.Command("go", "build", "-o", bin, "../../cmd/esock").CombinedOutput()
	require.NoError(t, err, string(out))

	s := site{curl: curl, dir: filepath.Join(above, "site"), big: make([]byte, bigSize)}
	rand.NewChaCha8([32]byte{1}).Read(s.big)
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, "sub"), 0o700))
	for path, content := range map[string]string{"site/big.bin": string(s.big), "site/small.txt": "small\n",
		"site/empty": "", "site/a b.txt": "blank\n", "site/sub/deep.txt": "deep\n", "secret.txt": "SECRET"} {
		require.NoError(t, os.WriteFile(filepath.Join(above, path), []byte(content), 0o600))
	}

	require.NoError(t, os.Symlink("../secret.txt", filepath.Join(s.dir, "link")))
	require.NoError(t, os.Symlink("..", filepath.Join(s.dir, "up")))

	cmd := exec.Command(bin, "serve", s.dir, "--addr", "127.0.0.1:0")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := make(chan string, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(stdout)
		for first := true; lines.Scan(); first = false {
			if first {
				said <- lines.Text()
			}
		}
		close(said)
	})
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer timer.Stop()
		reading.Wait()
		cmd.Wait()
	})
	select {
	case line, ok := <-said:
		if !ok {
			cmd.Wait()
			t.Fatal("esock serve ended: ", complaints.String())
		}
		m := addressLine.FindStringSubmatch(line)
		require.NotNil(t, m, "no address in the first line: %s", line)
		s.url = m[1]
	case <-time.After(patience):
		t.Fatal("esock serve does not say where it listens")
	}
	return s
}

// get runs curl, and returns what it wrote to its standard output. "@/path" stands for a URL of the site.
func (s site) get(t *testing.T, args ...string) string {
	t.Helper()
	for i, a := range args {
		if path, ok := strings.CutPrefix(a, "@/"); ok {
			args[i] = s.url + "/" + path
		}
	}
	cmd := exec.Command(s.curl, append([]string{"-sS", "--max-time", "60", "--noproxy", "*"}, args...)...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(t, err, "curl %v: %s", args, complaints.String())
	return string(out)
}

// download fetches into a file, and returns it and the status.
func (s site) download(t *testing.T, args ...string) (body []byte, status string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out")
	status = s.get(t, append([]string{"-o", file, "-w", "%{http_code}"}, args...)...)
	body, err := os.ReadFile(file)
	if !os.IsNotExist(err) { // an empty answer makes no file
		require.NoError(t, err)
	}
	return body, status
}

// header is a header of curl's -i or -I output, "" if it is not there.
func header(head, name string) string {
	for _, line := range strings.Split(head, "\r\n") {
		if n, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// TestCurl downloads from "esock serve" with curl.
func TestCurl(t *testing.T) {
	s := serve(t)

	t.Run("100 MiB have the right sum", func(t *testing.T) {
		body, status := s.download(t, "@/big.bin")
		require.Equal(t, "200", status)
		require.Equal(t, bigSize, len(body))
		require.Equal(t, sha256.Sum256(s.big), sha256.Sum256(body))
	})
	t.Run("ranges are parts of the file", func(t *testing.T) {
		for spec, want := range map[string][]byte{
			"0-0":                  s.big[:1],
			"0-99":                 s.big[:100],
			"1000000-1999999":      s.big[1000000:2000000],
			"104857500-":           s.big[104857500:],
			"104857500-9999999999": s.big[104857500:],
			"-500":                 s.big[bigSize-500:],
		} {
			body, status := s.download(t, "-r", spec, "@/big.bin")
			require.Equal(t, "206", status, spec)
			require.True(t, bytes.Equal(want, body), "range %s: %d bytes", spec, len(body))
		}
	})
	t.Run("ranges together are the file", func(t *testing.T) {
		sum := sha256.New()
		const part = bigSize/7 + 1
		for from := 0; from < bigSize; from += part {
			end := min(from+part, bigSize) - 1
			body, status := s.download(t, "-r", fmt.Sprintf("%d-%d", from, end), "@/big.bin")
			require.Equal(t, "206", status)
			sum.Write(body)
		}
		want := sha256.Sum256(s.big)
		require.Equal(t, want[:], sum.Sum(nil))
	})
	t.Run("an interrupted download goes on", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "out")
		require.NoError(t, os.WriteFile(file, s.big[:bigSize/3], 0o600))
		require.Equal(t, "206", s.get(t, "-C", "-", "-o", file, "-w", "%{http_code}", "@/big.bin"))
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256(s.big), sha256.Sum256(body))
	})
	t.Run("a range says which it is", func(t *testing.T) {
		head := s.get(t, "-i", "-r", "1-2", "@/small.txt")
		require.Equal(t, "bytes 1-2/6", header(head, "Content-Range"))
		require.Equal(t, "2", header(head, "Content-Length"))
		require.True(t, strings.HasSuffix(head, "\r\n\r\nma"), head)
	})
	t.Run("a range behind the end is refused", func(t *testing.T) {
		head := s.get(t, "-i", "-r", "6-9", "@/small.txt")
		require.Contains(t, head, " 416 ")
		require.Equal(t, "bytes */6", header(head, "Content-Range"))
	})
	t.Run("HEAD has the headers alone", func(t *testing.T) {
		head := s.get(t, "-I", "@/big.bin")
		require.True(t, strings.HasPrefix(head, "HTTP/1.1 200 "), head)
		require.Equal(t, fmt.Sprint(bigSize), header(head, "Content-Length"))
		require.Equal(t, "bytes", header(head, "Accept-Ranges"))
	})
	t.Run("small, empty and oddly named files", func(t *testing.T) {
		for path, want := range map[string]string{"/small.txt": "small\n", "/empty": "", "/a%20b.txt": "blank\n",
			"/sub/deep.txt": "deep\n", "/%73mall.txt": "small\n", "/small.txt?query=1": "small\n"} {
			body, status := s.download(t, s.url+path)
			require.Equal(t, "200", status, path)
			require.Equal(t, want, string(body), path)
		}
	})
	t.Run("what is not there is 404", func(t *testing.T) {
		for _, path := range []string{"/nothing", "/sub/nothing", "/small.txt/below", "/%00", "/secret.txt"} {
			_, status := s.download(t, s.url+path)
			require.Contains(t, []string{"404", "400"}, status, path)
		}
		_, status := s.download(t, "-I", "@/nothing")
		require.Equal(t, "404", status)
	})
	t.Run("a connection is kept", func(t *testing.T) {
		null := []string{"-o", os.DevNull, "-o", os.DevNull, "-o", os.DevNull, "-o", os.DevNull}
		got := s.get(t, append(null, "-w", "%{http_code} %{num_connects}\n", "@/small.txt", "@/nothing", "@/big.bin",
			"@/empty")...)
		require.Equal(t, "200 1\n404 0\n200 0\n200 0\n", got)
		got = s.get(t, "-I", "-o", os.DevNull, "-o", os.DevNull, "-w", "%{http_code} %{num_connects}\n", "@/big.bin",
			"@/small.txt")
		require.Equal(t, "200 1\n200 0\n", got)
	})
	t.Run("a connection is closed when asked", func(t *testing.T) {
		got := s.get(t, "-H", "Connection: close", "-o", os.DevNull, "-o", os.DevNull, "-w",
			"%{http_code} %{num_connects}\n", "@/small.txt", "@/small.txt")
		require.Equal(t, "200 1\n200 1\n", got)
		body, status := s.download(t, "-0", "@/small.txt") // HTTP/1.0
		require.Equal(t, "200", status)
		require.Equal(t, "small\n", string(body))
	})
	t.Run("nothing outside is served", func(t *testing.T) {
		for _, path := range []string{"/../secret.txt", "/%2e%2e/secret.txt", "/.%2e/secret.txt", "/sub/../../secret.txt",
			"/sub/%2e%2e/%2e%2e/secret.txt", "/%2e%2e%2fsecret.txt", "/..%5csecret.txt", "//../secret.txt",
			"/./../secret.txt", "/%252e%252e/secret.txt", "/" + s.dir + "/../secret.txt", "//etc/passwd", "/link",
			"/up/secret.txt", "/up/site/../secret.txt"} {
			body, status := s.download(t, "--path-as-is", s.url+path)
			require.NotEqual(t, "200", status, path)
			require.NotContains(t, string(body), "SECRET", path)
			require.NotContains(t, string(body), "root:", path)
		}
		body, status := s.download(t, "--path-as-is", "@/sub/../small.txt")
		if status == "200" {
			require.Equal(t, "small\n", string(body))
		}
	})
	t.Run("many ranges are answered with one or all of the file", func(t *testing.T) {
		body, status := s.download(t, "-r", "0-1,3-4", "@/small.txt")
		switch status {
		case "200":
			require.Equal(t, "small\n", string(body))
		case "206":
			require.Contains(t, string(body), "sm")
		default:
			t.Fatal(status)
		}
	})
	t.Run("other methods are refused", func(t *testing.T) {
		for _, method := range []string{"POST", "DELETE", "BREW"} {
			_, status := s.download(t, "-X", method, "@/small.txt")
			require.Contains(t, []string{"405", "501"}, status, method)
		}
		_, status := s.download(t, "-d", "a body", "@/small.txt")
		require.Contains(t, []string{"405", "501"}, status)
	})
	t.Run("many at once", func(t *testing.T) {
		args := []string{"-Z", "--parallel-max", "40", "-r", "0-9999999"}
		dir := t.TempDir()
		for i := range 200 {
			args = append(args, "-o", filepath.Join(dir, fmt.Sprint(i)), "@/small.txt")
		}
		for i := range 4 {
			args = append(args, "-o", filepath.Join(dir, fmt.Sprint("big", i)), "@/big.bin")
		}
		s.get(t, args...)
		for i := range 200 {
			body, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)))
			require.NoError(t, err)
			require.Equal(t, "small\n", string(body))
		}
		for i := range 4 {
			body, err := os.ReadFile(filepath.Join(dir, fmt.Sprint("big", i)))
			require.NoError(t, err)
			require.True(t, bytes.Equal(s.big[:1e7], body))
		}
	})
}
