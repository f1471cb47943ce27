package fileserver

import (
	"errors"
	"io/fs"
	"mime"
	"os"
	"path"
	"syscall"
)

// opened is what a request asks for, open.
type opened struct {
	file    *os.File
	info    fs.FileInfo
	missing bool // there is nothing of that name
}

// servable reports a file or a directory.
func servable(info fs.FileInfo) bool { return info.Mode().IsRegular() || info.IsDir() }

// open opens a file or a directory. problem is the status to answer if there is neither. Pipes and devices are not
// opened: a writer would notice it, and a device may do anything. If the name has become one meanwhile, that does not
// wait.
func (s *Server) open(name string) (o opened, problem int) {
	info, err := s.root.Stat(name)
	if err == nil && !servable(info) {
		return o, 404
	}
	var f *os.File
	if err == nil {
		f, err = s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		switch {
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
			return o, 503
		case errors.Is(err, fs.ErrPermission):
			return o, 403
		}
		o.missing = errors.Is(err, fs.ErrNotExist)
		return o, 404 // also a name that leads out of the directory
	}
	if info, err = f.Stat(); err == nil && servable(info) {
		return opened{file: f, info: info}, 0
	}
	f.Close()
	return o, 404
}

// answer answers a request. An error: the connection is not usable any more.
func (c *conversation) answer() error {
	h := &c.head
	if !h.get && !h.only {
		return c.refuse(405)
	}
	t, ok := locate(c.name, h.target)
	if !ok {
		return c.refuse(400)
	}
	c.name = t.name
	name := string(t.name)
	o, problem := c.open(name)
	if problem != 0 {
		return c.refuse(problem)
	}
	defer func() { o.file.Close() }()
	switch {
	case !o.info.IsDir() && t.slash:
		return c.refuse(404)
	case !o.info.IsDir():
		return c.sendFile(o, name)
	case !t.slash:
		return c.redirect(t)
	}
	index, problem := c.open(path.Join(name, "index.html"))
	switch {
	case index.missing:
		return c.list(o.file, name)
	case problem != 0: // who made it did not mean the list to be seen
		return c.refuse(problem)
	case index.info.IsDir():
		index.file.Close()
		return c.list(o.file, name)
	}
	o.file.Close()
	o = index
	return c.sendFile(o, "index.html")
}

// sendFile answers with a file, a part of it, or that there is no need to.
func (c *conversation) sendFile(o opened, name string) error {
	size, modified := o.info.Size(), o.info.ModTime()
	var room [64]byte
	tag := appendTag(room[:0], modified, size)
	if status := c.head.condition(tag, modified); status == 412 {
		return c.refuse(status)
	} else if status != 0 {
		c.start(status)
		c.validators(tag, modified)
		return c.finish()
	}
	part, whole, ok := c.head.partial(size, tag, modified)
	if !ok {
		c.start(416)
		c.field("Content-Range", "bytes */")
		c.number(size)
		return c.message(416)
	}
	if whole {
		c.start(200)
	} else {
		c.start(206)
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

// contentType is the media type by the ending of a name.
func contentType(name string) string {
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// redirect tells a client that a directory's name ends with a slash: links in its list are relative to that.
func (c *conversation) redirect(t place) error {
	c.start(301)
	c.field("Location", "")
	c.out = append(appendPath(c.out, t.name), t.query...)
	return c.message(301)
}
