// Package netdevice queries and configures network interfaces, with the requests of netdevice(7).
//
//	mtu, err := netdevice.MTU(s, "eth0")
//	err = netdevice.SetFlags(s, "eth0", netdevice.Up, 0)
//
// A request goes through a socket and concerns the interfaces of that socket's network namespace. Any socket serves, but the
// requests about IPv4 addresses ([Addr], [DstAddr], [BrdAddr], [Netmask] and those that set them) need one of domain inet and
// fail with ENOTTY on others.
//
// Errors are *esock.Error values. All functions fail with net.ErrClosed on a closed socket. Those that take a name fail with
// ENODEV if there is no such interface, and with *esock.InvalidError "ioctl_argument" for a name that no interface can have:
// one with a NUL or more than 15 bytes. Those that set something need CAP_NET_ADMIN and fail with EPERM without it.
//
// [IOCtl] makes these requests, and all others of OTP's socket:ioctl/2,3,4, by OTP's names and with plain data, as a command or
// a configuration file has them. [Requests] lists them.
package netdevice
