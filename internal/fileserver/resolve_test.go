package fileserver

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/testwait"
)

// linked makes a directory with links of all kinds, below a path that has a second name, and returns both names of it.
func linked(t *testing.T) (dir, alias string) {
	t.Helper()
	dir = site(t)
	top := filepath.Dir(dir)
	alias = filepath.Join(t.TempDir(), "alias")
	require.NoError(t, os.Symlink(dir, alias))
	require.NoError(t, os.MkdirAll(filepath.Join(top, "site2"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(top, "site2/a.txt"), []byte("secret"), 0o644))
	for link, target := range map[string]string{
		"abs":            dir + "/a.txt",
		"abs-dir":        dir + "/list",
		"abs-root":       dir,
		"abs-dirty":      dir + "//list/./deep/../../a.txt",
		"abs-detour":     top + "/site2/../site/a.txt",
		"abs-out-in":     dir + "/../site/a.txt",
		"abs-alias":      alias + "/a.txt",
		"back":           "../site/a.txt",
		"list/back":      "../../site/list/../a.txt",
		"chain":          "abs-dir/deep/more",
		"list/deep/more": dir + "/abs",
		"turn":           dir + "/abs-turn/../a.txt", // the kernel goes up from list/deep
		"abs-turn":       dir + "/list/deep",
		"list/a.txt":     "../page.html",

		"bad-out":     top + "/secret",
		"bad-near":    top + "/site2/a.txt",
		"bad-up":      dir + "/../secret",
		"bad-back":    "../site2/a.txt",
		"bad-more":    "../../../../../../../../../../etc/passwd",
		"bad-etc":     "/etc/passwd",
		"bad-top":     "/",
		"bad-proc":    fmt.Sprintf("/proc/%d/root/etc/passwd", os.Getpid()),
		"bad-loop":    dir + "/bad-loop",
		"bad-loop-1":  dir + "/bad-loop-2",
		"bad-loop-2":  "../site/bad-loop-1",
		"bad-gone":    dir + "/none",
		"bad-pipe":    dir + "/fifo",
		"bad-through": dir + "/up/secret",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
	}
	return dir, alias
}

func TestServeLinksThatStayInside(t *testing.T) {
	dir, alias := linked(t)
	for _, at := range []string{dir, alias} {
		url := "http://" + serving(t, at, nil)
		client := browser(t)
		for path, want := range map[string]string{"abs": "0123456789", "abs-dirty": "0123456789", "abs-detour": "0123456789",
			"abs-out-in": "0123456789", "back": "0123456789", "list/back": "0123456789", "chain": "0123456789",
			"abs-root/abs-root/a.txt": "0123456789", "abs-dir/deep/x": "x", "turn": "<p>page</p>"} {
			res, body := ask(t, client, "GET", url+"/"+path)
			assert.Equal(t, 200, res.StatusCode, path)
			assert.Equal(t, want, body, path)
		}
		res, _ := ask(t, client, "GET", url+"/abs-dir")
		assert.Equal(t, "/abs-dir/", res.Header.Get("Location"))
		_, body := ask(t, client, "GET", url+"/abs-dir/")
		assert.Contains(t, body, `"./deep/"`, "it has no index")
		_, body = ask(t, client, "GET", url+"/abs-root/sub/")
		assert.Equal(t, "<p>index</p>", body)
		res, body = ask(t, client, "GET", url+"/abs-alias")
		if at == alias {
			assert.Equal(t, "0123456789", body, "the name that the directory was opened by")
		} else {
			assert.Equal(t, 404, res.StatusCode, "nothing outside is looked at to find what it is")
		}
		res, body = ask(t, client, "GET", url+"/")
		assert.Equal(t, 200, res.StatusCode)
		for _, link := range []string{"abs", "abs-dir/", "abs-root/", "back", "chain", "in"} {
			assert.Contains(t, body, `"./`+link+`"`)
		}
		for _, link := range []string{"bad-", "out", "up", "fifo"} {
			assert.NotContains(t, body, `"./`+link)
		}
	}
}

func TestServeLinksThatLeadOut(t *testing.T) {
	dir, _ := linked(t)
	at := serving(t, dir, nil)
	links, err := filepath.Glob(filepath.Join(dir, "bad-*"))
	require.NoError(t, err)
	require.NotEmpty(t, links)
	for _, link := range links {
		for _, more := range []string{"", "/", "/secret", "/etc/passwd", "/../secret"} {
			for _, method := range []string{"GET", "HEAD"} {
				all := answers(t, raw(t, at, request(method+" /"+filepath.Base(link)+more+" HTTP/1.1")), method)
				require.Len(t, all, 1)
				assert.Equal(t, "404", all[0][:3], link+more)
				assert.NotContains(t, all[0], "secret")
			}
		}
	}
}

// Below the root of the file system, every absolute link stays inside.
func TestServeLinksOfTheRoot(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink("/etc/passwd", link))
	want, err := os.ReadFile("/etc/passwd")
	require.NoError(t, err)
	at := serving(t, "/", nil, func(c *Config) { c.Hidden = true })
	_, body := ask(t, browser(t), "GET", "http://"+at+link)
	assert.Equal(t, string(want), body)
}

// A directory that changes between the look and the opening leads nowhere outside.
func TestServeLinksThatChange(t *testing.T) {
	dir, _ := linked(t)
	top := filepath.Dir(dir)
	at := serving(t, dir, nil)
	swap := func(target string) {
		next := filepath.Join(dir, "next")
		require.NoError(t, os.Symlink(target, next))
		require.NoError(t, os.Rename(next, filepath.Join(dir, "moving")))
	}
	swap(dir + "/list")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "list/secret"), []byte("mine"), 0o644))
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				swap([]string{top, dir + "/list", "..", "list", "/"}[n%5])
			}
		}
	})
	defer swapping.Wait()
	defer close(stop)
	client := browser(t)
	seen := map[int]int{}
	testwait.Until(t, "it is found and refused", func() bool {
		for range 50 {
			res, body := ask(t, client, "GET", "http://"+at+"/moving/secret")
			seen[res.StatusCode]++
			if res.StatusCode == 200 {
				assert.Equal(t, "mine", body)
			}
		}
		return seen[200] > 0 && seen[404] > 0
	})
}
