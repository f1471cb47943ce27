package fileserver

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/esock-go/esock/internal/bytesize"
)

// maxList limits the names of a listing, and so the memory of a request.
const maxList = 10000

// maxPart limits the part of a listing that is in memory as text. A longer listing is sent in parts.
const maxPart = 64 << 10

// entry is a row of a listing.
type entry struct {
	name string // in the directory, with a slash if it is one
	info fs.FileInfo
}

// list responds with a listing of a directory.
func (c *connection) list(dir *os.File, name string) error {
	all, err := dir.ReadDir(maxList)
	if err != nil && !errors.Is(err, io.EOF) {
		return c.refuse(http.StatusForbidden)
	}
	entries := make([]entry, 0, len(all))
	for _, e := range all {
		if info, ok := c.lists(name, e); ok {
			entries = append(entries, entry{e.Name(), info})
			if info.IsDir() {
				entries[len(entries)-1].name += "/"
			}
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.info.IsDir() != b.info.IsDir() {
			return map[bool]int{true: -1, false: 1}[a.info.IsDir()]
		}
		return cmp.Compare(a.name, b.name)
	})
	title, heading := "/", "/"
	if name != "." {
		title, heading = "", "/"
		for part := range strings.SplitSeq(name, "/") {
			part = html.EscapeString(printable(part))
			title += "/" + isolate + part + endIsolate
			heading += "<bdi>" + part + "</bdi>/"
		}
		title += "/"
	}
	b := make([]byte, 0, min(512+160*len(entries), maxPart+1024))
	b = fmt.Appendf(b, "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title>%s</title>\n</head>\n"+
		"<body>\n<h1>%s</h1>\n<table>\n", title, heading)
	if name != "." {
		b = append(b, "<tr><td><a href=\"../\">../</a></td></tr>\n"...)
	}
	more := true
	part := func(b []byte) []byte {
		for len(b) < maxPart && len(entries) > 0 {
			b, entries = appendEntry(b, entries[0]), entries[1:]
		}
		if len(entries) > 0 {
			return b
		}
		more = false
		b = append(b, "</table>\n"...)
		if len(all) == maxList {
			b = append(b, "<p>There are more.</p>\n"...)
		}
		return append(b, "</body>\n</html>\n"...)
	}
	b = part(b)
	c.flows(more)
	c.start(http.StatusOK)
	c.field("Content-Type", "text/html; charset=utf-8")
	if !more {
		return c.text(b)
	}
	return c.flow(b, func(b []byte) ([]byte, error) {
		if !more {
			return b, io.EOF
		}
		return part(b[:0]), nil
	})
}

// lists returns what an entry of a directory leads to. It reports false if a request for it would be answered with 404.
func (s *Server) lists(dir string, e fs.DirEntry) (fs.FileInfo, bool) {
	if !s.hidden && isHidden(e.Name()) {
		return nil, false
	}
	switch t := e.Type(); {
	case t.IsRegular():
		info, err := e.Info()
		return info, err == nil
	case !t.IsDir() && t != fs.ModeSymlink:
		return nil, false
	}
	name := path.Join(dir, e.Name())
	_, info, err := s.stat(name)
	if err != nil {
		return nil, false
	}
	if info.IsDir() { // an index that cannot be sent is in the way of a listing
		_, index, err := s.stat(path.Join(name, "index.html"))
		return info, err == nil && servable(index) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
	}
	return info, servable(info)
}

// appendEntry appends a row of the listing. The link begins with "./"; otherwise a browser takes the text before a colon in
// the name for a scheme. A name is isolated: it may be of a script that is written from right to left, and the text beside
// it keeps its direction.
func appendEntry(b []byte, e entry) []byte {
	link, slash := strings.CutSuffix(e.name, "/")
	link = escapePath(link)
	if slash {
		link += "/"
	}
	b = fmt.Appendf(b, "<tr><td><a href=\"./%s\"><bdi>%s</bdi></a></td>", link, html.EscapeString(printable(e.name)))
	if e.info.Mode().IsRegular() {
		b = fmt.Appendf(b, "<td align=\"right\">%s</td><td>%s</td>", bytesize.Text(e.info.Size()),
			e.info.ModTime().UTC().Format("2006-01-02 15:04"))
	}
	return append(b, "</tr>\n"...)
}

// The characters that do in a title, which has no elements, what <bdi> does elsewhere (UAX #9).
const (
	isolate    = "\u2068" // first strong isolate
	endIsolate = "\u2069" // pop directional isolate
)

// printable returns a name as UTF-8, the encoding of the page, for people to read. A control character has a mark in its
// place: one that changes the direction of text could make a name look like another, or end its isolation.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD"))
}
