package esock

// TimestampFlags are the bits of SO_TIMESTAMPING: SOF_TIMESTAMPING_ of <linux/net_tstamp.h>,
// Documentation/networking/timestamping.rst.
type TimestampFlags uint32

// Which packets are stamped (Tx, Rx), what is reported of the stamps, and how.
const (
	TimestampTxHardware  TimestampFlags = 1 << 0  // by the network adapter, when it sends
	TimestampTxSoftware  TimestampFlags = 1 << 1  // when the driver gets the packet
	TimestampRxHardware  TimestampFlags = 1 << 2  // by the network adapter, when it receives
	TimestampRxSoftware  TimestampFlags = 1 << 3  // when the packet enters the kernel
	TimestampSoftware    TimestampFlags = 1 << 4  // report the software's
	TimestampRawHardware TimestampFlags = 1 << 6  // report the hardware's
	TimestampOptID       TimestampFlags = 1 << 7  // say which send it is about
	TimestampTxSched     TimestampFlags = 1 << 8  // when the packet enters the queueing discipline
	TimestampTxAck       TimestampFlags = 1 << 9  // TCP: when the peer has acknowledged all of it
	TimestampOptCmsg     TimestampFlags = 1 << 10 // packet info in the error queue
	TimestampOptTSOnly   TimestampFlags = 1 << 11 // without the packet
	TimestampOptStats    TimestampFlags = 1 << 12 // TCP: statistics with it
	TimestampOptPktInfo  TimestampFlags = 1 << 13 // interface and length with hardware's
	TimestampOptTxSwHw   TimestampFlags = 1 << 14 // both, of a sent packet
	TimestampBindPHC     TimestampFlags = 1 << 15 // from the adapter's clock that is named
	TimestampOptIDTCP    TimestampFlags = 1 << 16 // TCP: count from this call on (Linux 6.2)
	TimestampOptRxFilter TimestampFlags = 1 << 17 // received: only those asked for here (Linux 6.12)
	TimestampTxDone      TimestampFlags = 1 << 18 // when the hardware says that it was sent (Linux 6.15)
)
