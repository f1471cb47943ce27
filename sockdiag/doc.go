// Package sockdiag lists the sockets of the host, of all processes, as ss(8) does: sock_diag(7).
//
//	c, err := sockdiag.Open()
//	defer c.Close()
//	for s, err := range c.Inet(sockdiag.InetRequest{Domain: esock.Inet, Protocol: esock.TCP, Want: sockdiag.HasTCPInfo}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(s.State, s.Local, s.Peer, s.TCP.RTT)
//	}
//
// A request is a message on a netlink socket of esock, and the answer a message for each socket, of the network namespace in
// which the Client was opened. No privilege is needed to see the sockets of others; some values are for the superuser alone.
//
// A kernel answers about the families that it has modules for (inet_diag, tcp_diag, udp_diag, unix_diag, af_packet_diag,
// netlink_diag, vsock_diag, mptcp_diag). What it lacks is an error that errors.Is finds errors.ErrUnsupported in.
//
// Nothing is allocated for a socket: the value that an iteration yields is the same one each time, and valid until the next.
package sockdiag
