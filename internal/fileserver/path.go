package fileserver

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// place is what the target of a request names.
type place struct {
	name  string // below the directory that is served: "a/b", or "."
	slash bool   // the target ends as the name of a directory does: with a slash or a dot segment
	query string // with its question mark
}

// locate makes a place of the target of a request: percent escapes are undone, and empty and dot segments removed (RFC
// 3986, section 5.2.4). ok is false if the target is malformed or leads out of the directory; symbolic links are for
// os.Root to check.
func locate(target string) (p place, ok bool) {
	if target == "" || target[0] != '/' || strings.ContainsFunc(target, neverInTarget) {
		return p, false
	}
	if i := strings.IndexByte(target, '?'); i >= 0 {
		target, p.query = target[:i], target[i:]
	}
	name, err := url.PathUnescape(target)
	if err != nil || strings.IndexByte(name, 0) >= 0 {
		return p, false
	}
	switch name[strings.LastIndexByte(name, '/')+1:] {
	case "", ".", "..":
		p.slash = true
	}
	// Without its slashes in front, a path that leads upwards keeps a ".." at its beginning, which IsLocal refuses.
	p.name = path.Clean(strings.TrimLeft(name, "/"))
	return p, filepath.IsLocal(p.name)
}

// neverInTarget reports a character that a target has only as an escape.
func neverInTarget(c rune) bool { return c <= ' ' || c == 0x7f || c == '#' }

// directoryPath returns the name of a directory as the path of a URL. It begins with one slash, so that it never names a
// host.
func directoryPath(name string) string {
	if name == "." {
		return "/"
	}
	return "/" + escapePath(name) + "/"
}

// pathEscaper makes a path of what url.QueryEscape returns, which escapes all but the unreserved characters (RFC 3986,
// section 2.3), as is safe in HTML and in a header, but has a plus sign for a blank.
var pathEscaper = strings.NewReplacer("+", "%20", "%2F", "/")

// escapePath escapes everything in a path but unreserved characters and slashes.
func escapePath(name string) string { return pathEscaper.Replace(url.QueryEscape(name)) }
