package hackney

import (
	"errors"
	"io"
	"os"
	"reflect"
	"slices"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// defaultChunk is the chunk size that the manual calls 64 MB.
const defaultChunk = 65536000

// SendFileOption is an option of SendFile: ChunkSize, UseThreads, SendFun, or by name SendFileOpt. The later of two
// wins. OTP: the type sendfile_option().
type SendFileOption struct {
	name  string
	value any
}

// ChunkSize sets how many bytes are read at a time and passed to Send or the SendFun, where sendfile(2) is not used. A chunk
// is in memory as a whole. The default is 65,536,000. OTP: {chunk_size, N}.
func ChunkSize(n int) SendFileOption { return SendFileOption{"chunk_size", n} }

// UseThreads is accepted and has no effect: a blocking call blocks only its own goroutine. OTP: {use_threads, Bool}.
func UseThreads(on bool) SendFileOption { return SendFileOption{"use_threads", on} }

// SendFun replaces Socket.Send and sendfile(2). The function may use the data until it returns. OTP: {send_fun, Fun}.
func SendFun(f func(s Socket, data []byte) error) SendFileOption {
	return SendFileOption{"send_fun", f}
}

// SendFileOpt makes an option by OTP's name, with the value that its function takes. Unknown options are ignored.
func SendFileOpt(name string, value any) SendFileOption { return SendFileOption{name, value} }

// sendFileOptions are checked options.
type sendFileOptions struct {
	chunk int
	fun   func(Socket, []byte) error
}

func sortOut(opts []SendFileOption) (sendFileOptions, error) {
	o := sendFileOptions{chunk: defaultChunk}
	for _, opt := range opts {
		ok := true
		switch opt.name {
		case "chunk_size":
			o.chunk, ok = opt.value.(int)
			ok = ok && o.chunk > 0
		case "use_threads":
			_, ok = opt.value.(bool)
		case "send_fun":
			o.fun, ok = opt.value.(func(Socket, []byte) error)
			ok = ok && o.fun != nil
		}
		if !ok {
			return o, badArg(opSendFile, "option "+opt.name+" does not take this value")
		}
	}
	return o, nil
}

const opSendFile = "sendfile"

// SendFileName opens a file by its name and sends all of it, without options. Errors: also those of open(2). OTP:
// hackney_socket:sendfile/2.
func (s Socket) SendFileName(caller *esock.Mailbox, path string) (int64, error) {
	if err := s.check(opSendFile); err != nil {
		return 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return s.SendFile(caller, f, 0, 0)
}

// SendFile sends count bytes of a file from an offset; a count of 0, or esock.ToEnd, means to the end of the file. It returns
// how many were sent, fewer if the file ended. If the socket has an owner, the caller must be it; a nil caller is not checked.
//
// Over plain TCP, without SendFun, it uses sendfile(2): f must be an *os.File, whose position does not matter and does not
// move, and the call waits without limit. Otherwise it reads f in chunks, and restores its position in the end, also after
// an error. Each chunk is one Send, so set the packet type to raw.
//
// After an error the number of sent bytes is unknown. Errors: gentcp.ErrNotOwner, gentcp.ErrBadArg (no file, a chunk size
// below 1; over plain TCP an f that is not an *os.File, a negative count), EINVAL (negative offset or count),
// gentcp.ErrClosed, those of reading, io.ErrNoProgress among them, and those of Send. OTP: hackney_socket:sendfile/5.
func (s Socket) SendFile(
	caller *esock.Mailbox, f io.ReadSeeker, offset, count int64, opts ...SendFileOption) (int64, error) {
	if err := s.check(opSendFile); err != nil {
		return 0, err
	}
	o, err := sortOut(opts)
	if err != nil {
		return 0, err
	}
	file, isFile := f.(*os.File)
	if v := reflect.ValueOf(f); f == nil || v.Kind() == reflect.Pointer && v.IsNil() || isFile && *file == (os.File{}) {
		return 0, badArg(opSendFile, "there is no file")
	}
	if owned, ok := s.Sock.(interface{ Owner() *esock.Mailbox }); ok && caller != nil {
		if owner := owned.Owner(); owner != nil && owner != caller {
			return 0, &gentcp.Error{Op: opSendFile, Reason: gentcp.ErrNotOwner}
		}
	}
	if count == esock.ToEnd {
		count = 0
	}
	var sent int64
	sock, plain := s.Sock.(*gentcp.Socket)
	switch plain = plain && s.Transport == TCP; {
	case plain && o.fun == nil && isFile:
		sent, err = sock.SendFile(file, offset, count)
		if count >= 0 && beyondEnd(f, offset, err) {
			return 0, nil
		}
		err = fileError(err)
	case plain && o.fun == nil:
		err = badArg(opSendFile, "sendfile(2) takes an *os.File")
	default:
		sent, err = s.sendChunks(f, offset, count, o)
	}
	if err != nil {
		return 0, err
	}
	return sent, nil
}

// sendChunks reads the file and sends it in chunks.
func (s Socket) sendChunks(f io.ReadSeeker, offset, count int64, o sendFileOptions) (sent int64, err error) {
	if offset < 0 || count < 0 {
		return 0, &gentcp.Error{Op: opSendFile,
			Reason: &esock.InvalidError{What: "offset or bytes", Value: min(offset, count), Cause: "it is negative"}}
	}
	send := o.fun
	if send == nil {
		send = func(s Socket, data []byte) error { return s.Send(data) }
	}
	position, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, fileError(err)
	}
	if _, err = f.Seek(offset, io.SeekStart); err != nil {
		if beyondEnd(f, offset, err) {
			err = nil
		}
		return 0, fileError(err)
	}
	defer f.Seek(position, io.SeekStart)
	var chunk []byte
	for count == 0 || sent < count {
		n := int64(o.chunk)
		if count > 0 {
			n = min(n, count-sent)
		}
		var end error
		chunk, end = readChunk(f, chunk, n)
		if len(chunk) > 0 {
			if err := send(s, chunk); err != nil {
				return 0, err
			}
			sent += int64(len(chunk))
		}
		switch {
		case end == io.EOF || beyondEnd(f, offset+sent, end): // tmpfs seeks where it does not read
			return sent, nil
		case end != nil:
			return 0, fileError(end)
		}
	}
	return sent, nil
}

const (
	firstRead  = 32 << 10 // bytes
	emptyReads = 100      // in a row
)

// errCount reports a Read that breaks the contract of io.Reader.
var errCount = errors.New("hackney: sendfile: the file's Read returned an invalid count")

// readChunk reads n bytes into buf, which grows with the data that the file has. With an error there may be fewer.
func readChunk(f io.Reader, buf []byte, n int64) ([]byte, error) {
	buf = buf[:0]
	for empty := 0; int64(len(buf)) < n; {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, int(min(n-int64(len(buf)), max(firstRead, int64(len(buf))))))
		}
		room := buf[len(buf):min(int64(cap(buf)), n)]
		m, err := f.Read(room)
		if m < 0 || m > len(room) {
			return buf, errCount
		}
		buf = buf[:len(buf)+m]
		if empty++; m > 0 {
			empty = 0
		}
		switch {
		case err != nil:
			return buf, err
		case empty == emptyReads:
			return buf, io.ErrNoProgress
		}
	}
	return buf, nil
}

// beyondEnd reports whether an error means only that the offset is beyond the end of a regular file. It looks at the size
// only after the error, because files as in /proc have no size.
func beyondEnd(f io.ReadSeeker, offset int64, err error) bool {
	if !errors.Is(err, syscall.EOVERFLOW) && !errors.Is(err, syscall.EINVAL) {
		return false
	}
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular() && offset >= info.Size()
}

// fileError makes a closed file a bad argument, as OTP does with a bad descriptor.
func fileError(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return badArg(opSendFile, "the file is closed")
	}
	return err
}
