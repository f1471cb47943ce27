package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/bytesize"
)

// piece is how much of the file one call of SendFile sends, so that its time does not depend on the file's size.
const piece = 16 << 20

func (d *demo) sendFile() error {
	st := d.step("sendfile", "A file, sent by the kernel",
		"The server sends the file with sendfile(2), so its bytes never enter the process. The client receives and "+
			"hashes them.")
	st.fact("file", d.path)
	st.fact("size", d.size, fmt.Sprintf("%d bytes", d.size))
	if d.size == 0 {
		st.fact("note", "the file is empty: the client receives the end of the stream at once")
	}
	want, err := d.hashFile()
	if err != nil {
		return err
	}
	_, client, server, err := d.connected("file")
	if err != nil {
		return err
	}
	bar := newProgress(st, d.size)
	begin := time.Now()
	type result struct {
		sum []byte
		n   int64
		err error
	}
	received := make(chan result, 1)
	go func() {
		h := sha256.New()
		n, err := receiveAll(client, h, bar)
		received <- result{h.Sum(nil), n, err}
	}()
	sent, err := d.sendPieces(server)
	// The client must learn that this was all, even after an error.
	if serr := server.Shutdown(esock.ShutWrite); err == nil {
		err = serr
	}
	got := <-received
	took := time.Since(begin)
	bar.done()
	if err = firstError(err, got.err); err != nil {
		return err
	}

	st.fact("sent", sent, fmt.Sprintf("%d bytes", sent))
	st.fact("received", got.n, fmt.Sprintf("%d bytes", got.n))
	st.fact("elapsed", took.Seconds(), fmt.Sprintf("%s, %s a second, hashing included", duration(took),
		bytesize.Text(int64(float64(got.n)/max(took.Seconds(), 1e-6)))))
	st.fact("sha256 of file", hex.EncodeToString(want))
	st.fact("sha256 received", hex.EncodeToString(got.sum))
	same := bytes.Equal(want, got.sum)
	st.fact("equal", same, map[bool]string{true: "yes", false: "NO"}[same])
	switch {
	case sent != d.size:
		return fmt.Errorf("the file became shorter: only %d of %d bytes were left", sent, d.size)
	case got.n != sent:
		return fmt.Errorf("%d bytes were sent, but %d arrived", sent, got.n)
	case !same:
		return errors.New("the received bytes are not those of the file")
	}
	return nil
}

// hashFile returns the SHA-256 of the file's first size bytes.
func (d *demo) hashFile() ([]byte, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(d.file, 0, d.size)); err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	return h.Sum(nil), nil
}

// sendPieces sends the file's first size bytes.
func (d *demo) sendPieces(s *esock.Socket) (sent int64, err error) {
	for sent < d.size {
		n, err := s.SendFile(d.file, sent, min(piece, d.size-sent), patience)
		sent += n
		if err != nil || n == 0 {
			return sent, err
		}
	}
	return sent, nil
}

// receiveAll receives into h until the end of the stream.
func receiveAll(s *esock.Socket, h hash.Hash, bar *progress) (n int64, err error) {
	buf := make([]byte, 256<<10)
	for {
		k, err := s.Recv(buf, 0, patience)
		h.Write(buf[:k])
		n += int64(k)
		bar.at(n)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
