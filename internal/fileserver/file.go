package fileserver

import (
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"syscall"
)

// opened is the open file or directory that a request names.
type opened struct {
	file    *os.File
	info    fs.FileInfo
	missing bool // no file has the name
}

// servable reports whether it is a file or a directory.
func servable(info fs.FileInfo) bool { return info.Mode().IsRegular() || info.IsDir() }

// open opens a file or a directory. If it cannot, problem is the status of the response. It does not open pipes and devices:
// a writer would notice a reader of its pipe, and opening a device may have effects. The flags keep open from blocking if
// the name becomes a pipe or a device in the meantime.
func (s *Server) open(name string) (o opened, problem int) {
	name, info, err := s.stat(name)
	if err == nil && !servable(info) {
		return o, http.StatusNotFound
	}
	var f *os.File
	if err == nil {
		f, err = s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		o.missing = errors.Is(err, fs.ErrNotExist)
		if problem = statusOf(err); problem == http.StatusInternalServerError {
			problem = http.StatusNotFound // the name leads out of the directory, or has a file where a directory should be
		}
		return o, problem
	}
	if info, err = f.Stat(); err == nil && servable(info) {
		return opened{file: f, info: info}, 0
	}
	f.Close()
	return o, http.StatusNotFound
}

// statusOf returns the status for the error of a file.
func statusOf(err error) int {
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		return http.StatusServiceUnavailable
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden
	case errors.Is(err, fs.ErrNotExist):
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// respond answers a request whose head is well-formed. After an error the connection cannot be used.
func (c *connection) respond() error {
	h := &c.head
	switch {
	case h.get, h.headOnly:
	case h.known:
		return c.refuse(http.StatusMethodNotAllowed)
	default: // RFC 9110, section 9.1
		return c.refuse(http.StatusNotImplemented)
	}
	p, ok := locate(string(h.target))
	switch {
	case !ok:
		return c.refuse(http.StatusBadRequest)
	case !c.hidden && isHidden(p.name): // as if it did not exist
		return c.refuse(http.StatusNotFound)
	}
	o, problem := c.open(p.name)
	if problem != 0 {
		return c.refuse(problem)
	}
	defer func() { o.file.Close() }()
	switch {
	case !o.info.IsDir() && p.slash:
		return c.refuse(http.StatusNotFound)
	case !o.info.IsDir():
		return c.file(o, p.name)
	case !p.slash:
		return c.redirect(p)
	}
	index, problem := c.open(path.Join(p.name, "index.html"))
	switch {
	case index.missing:
		return c.list(o.file, p.name)
	case problem != 0: // a directory with an index is not listed, even if the index cannot be read
		return c.refuse(problem)
	case index.info.IsDir():
		index.file.Close()
		return c.list(o.file, p.name)
	}
	o.file.Close()
	o = index
	return c.file(o, "index.html")
}

// file responds with a file, a range of it, or an error status.
func (c *connection) file(o opened, name string) error {
	if mayBeMadeUp(o.info) {
		if begun, err := c.begun(o.file); err != nil {
			return c.refuse(statusOf(err))
		} else if int64(len(begun)) != o.info.Size() {
			return c.madeUp(o.file, begun, name)
		}
	}
	size, modified := o.info.Size(), o.info.ModTime()
	var room [64]byte
	tag := appendTag(room[:0], modified, size)
	switch status := c.head.precondition(tag, modified); status {
	case 0:
	case http.StatusNotModified:
		c.start(status)
		c.validators(tag, modified)
		return c.finish(false)
	default:
		return c.refuse(status)
	}
	part, whole, ok := c.head.requestedRange(size, tag, modified)
	switch {
	case !ok:
		c.start(http.StatusRequestedRangeNotSatisfiable)
		c.field("Content-Range", "bytes */")
		c.number(size)
		return c.message(http.StatusRequestedRangeNotSatisfiable)
	case whole:
		c.start(http.StatusOK)
	default:
		c.start(http.StatusPartialContent)
		c.field("Content-Range", "bytes ")
		c.number(part.offset)
		c.out = append(c.out, '-')
		c.number(part.offset + part.length - 1)
		c.out = append(c.out, '/')
		c.number(size)
	}
	c.validators(tag, modified)
	c.field("Accept-Ranges", "bytes")
	c.field("Content-Type", contentType(name))
	c.field("Content-Length", "")
	c.number(part.length)
	return c.transmit(o.file, part)
}

// contentType returns the media type of a name's extension.
func contentType(name string) string {
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// redirect sends the client to the directory's name with a slash, because the links in a listing are relative to it.
func (c *connection) redirect(p place) error {
	c.start(http.StatusMovedPermanently)
	c.field("Location", directoryPath(p.name)+p.query)
	return c.message(http.StatusMovedPermanently)
}
