package fileserver

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// place is the file or directory that the target of a request names.
type place struct {
	name  string // below the directory that is served: "a/b", or "."
	slash bool   // the target ends with a slash or a dot segment, as a directory's name does
	query string // with its question mark
}

// locate converts the target of a request to a place: it decodes percent escapes, and removes empty and dot segments (RFC
// 3986, section 5.2.4). ok is false if the target is malformed or leads out of the directory. os.Root checks symbolic links.
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
	// Without leading slashes, a path that leads out keeps a leading "..", which IsLocal refuses.
	p.name = path.Clean(strings.TrimLeft(name, "/"))
	return p, filepath.IsLocal(p.name)
}

// isHidden reports whether a name that locate has made, or a part of it, begins with a dot.
func isHidden(name string) bool {
	return name != "." && (name[0] == '.' || strings.Contains(name, "/."))
}

// neverInTarget reports whether a target may have the character only as an escape.
func neverInTarget(c rune) bool { return c <= ' ' || c == 0x7f || c == '#' }

// directoryPath returns the name of a directory as the path of a URL. It begins with one slash, because two would begin a
// host.
func directoryPath(name string) string {
	if name == "." {
		return "/"
	}
	return "/" + escapePath(name) + "/"
}

// pathEscaper converts the result of url.QueryEscape to a path. QueryEscape escapes all but unreserved characters (RFC 3986,
// section 2.3), which is safe in HTML and headers, but writes a blank as a plus sign.
var pathEscaper = strings.NewReplacer("+", "%20", "%2F", "/")

// escapePath escapes everything in a path but unreserved characters and slashes.
func escapePath(name string) string { return pathEscaper.Replace(url.QueryEscape(name)) }
