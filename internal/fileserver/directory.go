package fileserver

import (
	"cmp"
	"errors"
	"html"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/esock-go/esock/internal/bytesize"
)

// maxList is how many names a list has at most, so that one request does not take memory without bound.
const maxList = 10000

// list answers with the names in a directory.
func (c *conversation) list(dir *os.File, name string) error {
	entries, err := dir.ReadDir(maxList)
	if err != nil && !errors.Is(err, io.EOF) {
		return c.refuse(403)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int {
		if a.IsDir() != b.IsDir() {
			return map[bool]int{true: -1, false: 1}[a.IsDir()]
		}
		return cmp.Compare(a.Name(), b.Name())
	})
	title := "/"
	if name != "." {
		title = html.EscapeString("/" + strings.ToValidUTF8(name, "\uFFFD") + "/")
	}
	b := make([]byte, 0, 512+160*len(entries))
	b = append(b, "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n"+
		"<title>"+title+"</title>\n</head>\n<body>\n<h1>"+title+
		"</h1>\n<table>\n"...)
	if name != "." {
		b = append(b, "<tr><td><a href=\"../\">../</a></td></tr>\n"...)
	}
	for _, e := range entries {
		b = appendEntry(b, e)
	}
	b = append(b, "</table>\n"...)
	if len(entries) == maxList {
		b = append(b, "<p>There are more.</p>\n"...)
	}
	b = append(b, "</body>\n</html>\n"...)
	c.start(200)
	c.field("Content-Type", "text/html; charset=utf-8")
	return c.text(b)
}

// appendEntry appends a line of the list. The link begins with "./", or a colon in the name would make a scheme of what
// is before it. A symbolic link is shown as a file; if it is a directory, a redirect follows.
func appendEntry(b []byte, e fs.DirEntry) []byte {
	slash := ""
	if e.IsDir() {
		slash = "/"
	}
	b = append(b, "<tr><td><a href=\"./"...)
	b = append(appendURL(b, e.Name()), slash...)
	b = append(b, "\">"+html.EscapeString(strings.ToValidUTF8(e.Name(), "\uFFFD"))+slash+"</a></td>"...)
	if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
		b = append(b, "<td align=\"right\">"+bytesize.Text(info.Size())+"</td><td>"+
			info.ModTime().UTC().Format("2006-01-02 15:04")+"</td>"...)
	}
	return append(b, "</tr>\n"...)
}
