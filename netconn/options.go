package netconn

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

func setReadBuffer(s *esock.Socket, bytes int) error {
	if err := sockopt.SocketRcvBufForce.Set(s, bytes); !errors.Is(err, syscall.EPERM) {
		return err
	}
	return sockopt.SocketRcvBuf.Set(s, bytes)
}

func setWriteBuffer(s *esock.Socket, bytes int) error {
	if err := sockopt.SocketSndBufForce.Set(s, bytes); !errors.Is(err, syscall.EPERM) {
		return err
	}
	return sockopt.SocketSndBuf.Set(s, bytes)
}

// What package net has where nothing is said.
const (
	keepAliveTime   = 15 * time.Second
	keepAliveProbes = 9
)

// keepAlive is the configuration that a duration and a configuration stand for in net.Dialer and net.ListenConfig.
func keepAlive(d time.Duration, cfg net.KeepAliveConfig) net.KeepAliveConfig {
	if cfg.Enable || d < 0 {
		return cfg
	}
	return net.KeepAliveConfig{Enable: true, Idle: d}
}

// setKeepAlive sets up the probes as net.TCPConn.SetKeepAliveConfig does: 0 is the default, a negative value changes
// nothing.
func setKeepAlive(s *esock.Socket, cfg net.KeepAliveConfig) error {
	if err := sockopt.SocketKeepAlive.Set(s, cfg.Enable); err != nil {
		return err
	}
	if err := setKeepAliveTime(s, sockopt.TCPKeepIdle, cfg.Idle); err != nil {
		return err
	}
	if err := setKeepAliveTime(s, sockopt.TCPKeepIntvl, cfg.Interval); err != nil {
		return err
	}
	switch {
	case cfg.Count < 0:
		return nil
	case cfg.Count == 0:
		cfg.Count = keepAliveProbes
	}
	return optionOf(sockopt.TCPKeepCnt, cfg.Count, sockopt.TCPKeepCnt.Set(s, cfg.Count))
}

// setKeepAliveTime sets a time of the probes: 0 is the default, a negative one changes nothing.
func setKeepAliveTime(s *esock.Socket, o sockopt.Option[time.Duration], d time.Duration) error {
	switch {
	case d < 0:
		return nil
	case d == 0:
		d = keepAliveTime
	}
	return optionOf(o, d, o.Set(s, d))
}

// optionOf names the option and the value that the kernel has refused.
func optionOf[T any](o sockopt.Option[T], v T, err error) error {
	if err == nil {
		return nil
	}
	return refusedOption(o.Info(), fmt.Sprint(v), err)
}

func refusedOption(o sockopt.Info, v string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	return os.NewSyscallError("setsockopt "+o.Level+"."+o.Name+" "+v, errno)
}

// isMultipath reports whether the connection uses MPTCP. The kernel refuses the question on one that has fallen back.
func isMultipath(s *esock.Socket) (bool, error) {
	if s.Protocol() != esock.MPTCP {
		return false, nil
	}
	_, err := sockopt.MPTCPInfo.Get(s)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOPROTOOPT) {
		return false, nil
	}
	return err == nil, err
}
