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
	"slices"
	"strings"

	"github.com/esock-go/esock/internal/bytesize"
)

// maxList limits the names of a listing, and so the memory of a request.
const maxList = 10000

// list responds with a listing of a directory.
func (c *connection) list(dir *os.File, name string) error {
	entries, err := dir.ReadDir(maxList)
	if err != nil && !errors.Is(err, io.EOF) {
		return c.refuse(http.StatusForbidden)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int {
		if a.IsDir() != b.IsDir() {
			return map[bool]int{true: -1, false: 1}[a.IsDir()]
		}
		return cmp.Compare(a.Name(), b.Name())
	})
	title := "/"
	if name != "." {
		title = html.EscapeString("/" + printable(name) + "/")
	}
	b := make([]byte, 0, 512+160*len(entries))
	b = fmt.Appendf(b, "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title>%[1]s</title>\n</head>\n"+
		"<body>\n<h1>%[1]s</h1>\n<table>\n", title)
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
	c.start(http.StatusOK)
	c.field("Content-Type", "text/html; charset=utf-8")
	return c.text(b)
}

// appendEntry appends a row of the listing. The link begins with "./"; otherwise a browser takes the text before a colon in
// the name for a scheme. A symbolic link is listed as a file; a request for a link to a directory is redirected.
func appendEntry(b []byte, e fs.DirEntry) []byte {
	slash := ""
	if e.IsDir() {
		slash = "/"
	}
	b = fmt.Appendf(b, "<tr><td><a href=\"./%s%s\">%s%s</a></td>", escapePath(e.Name()), slash,
		html.EscapeString(printable(e.Name())), slash)
	if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
		b = fmt.Appendf(b, "<td align=\"right\">%s</td><td>%s</td>", bytesize.Text(info.Size()),
			info.ModTime().UTC().Format("2006-01-02 15:04"))
	}
	return append(b, "</tr>\n"...)
}

// printable returns a name as UTF-8, the encoding of the page.
func printable(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
