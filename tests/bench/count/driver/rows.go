package main

import "net"

// rows, in the order of the table. The first is what the loop of once costs: count subtracts it from all others.
var rows = []row{
	{"nothing", "an empty operation, subtracted from all others", []contender{{nameEsock, nothing}}},
	{"ready", "unix seqpacket, 64 bytes sent and received; neither call waits", []contender{
		{nameEsock, readyEsock}, {nameConn, readyConn(ofNetconn, false)}, {nameNet, readyNet}, {nameSys, readySys}, {nameBare, readyBare}}},
	{"ready-deadline", "the same, with a deadline set before each receive", []contender{
		{nameConn, readyConn(ofNetconn, true)}, {nameNet, readyConn(net.FileConn, true)}}},
	{"blocked", "TCP, 64 bytes there and back; both ends wait, and both are counted", []contender{
		{nameEsock, blockedEsock}, {nameNet, blockedNet}}},
	{"deadline", "the same, each receive with a deadline set before", []contender{
		{nameEsock, deadlineEsock}, {nameNet, deadlineNet}}},
	{"recvmsg", "UDP, a datagram received with ttl, tos and pktinfo, decoded", []contender{
		{nameEsock, recvmsgEsock}, {nameConn, recvmsgConn}, {nameNet, recvmsgNet}, {nameSys, recvmsgSys}}},
	{"sendmsg", "UDP, a datagram sent with a ttl", []contender{
		{nameEsock, sendmsgEsock}, {nameConn, sendmsgConn}, {nameNet, sendmsgNet}, {nameSys, sendmsgSys}}},
	{"udp", "64 bytes, SendTo and RecvFrom; neither call waits", []contender{
		{nameEsock, udpEsock}, {nameConn, udpConn}, {nameNet, udpNet}, {nameSys, udpSys}}},
	{"stream", "TCP, a send of 1 MiB to a goroutine that receives into 1 MiB; both ends", []contender{
		{nameEsock, streamEsock}, {nameNet, streamNet}}},
	{"sendfile", "unix stream, 64 KiB of a file sent, the receive not counted", []contender{
		{nameEsock, sendfileEsock}, {nameNet, sendfileNet}, {nameSys, sendfileSys}}},
	{"open-close", "a TCP socket opened and closed", []contender{
		{nameEsock, openCloseEsock}, {nameSys, openCloseSys}}},
	{"open-bind-close", "a UDP socket opened, bound to loopback and closed", []contender{
		{nameEsock, openBindCloseEsock}, {nameNet, openBindCloseNet}, {nameSys, openBindCloseSys}}},
	{"connect-accept", "TCP, connected and accepted, neither waits; opening and closing not counted", []contender{
		{nameEsock, acceptEsock}, {nameSys, acceptSys}}},
	{"select", "UDP, a receive arms a handle, its message comes, the receive is repeated; the send too", []contender{
		{nameEsock, selectEsock}}},
	{"completion", "the same receive, carried out by the library", []contender{
		{nameEsock, completionEsock}}},
	{"gentcp-passive", "a packet received and sent back by a server whose Recv waits; the bare client too", []contender{
		{nameEsock, passiveGentcp}, {nameNet, passiveNet}}},
	{"gentcp-active", "the same, packets as messages to a mailbox", []contender{
		{nameEsock, activeGentcp}}},
}

func nothing() (operation, error) {
	return operation{run: func() error { return nil }}, nil
}
