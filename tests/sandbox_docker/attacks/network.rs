//! Every way out: names, TCP, UDP, ICMP, the machine's own addresses, raw and abstract sockets.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use super::{Attack, assert_all_denied};

#[rustfmt::skip]
const ATTACKS: &[Attack] = &[
    ("a name is looked up", "socket.getaddrinfo('example.org', 80)", &["-2", "-3", "-5"]),
    ("the machine is looked up", "socket.getaddrinfo('host.docker.internal', 80)", &["-2", "-3", "-5"]),
    ("a name server is asked directly", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', 53))", &["ENETUNREACH"]),
    ("an address is connected to", "socket.create_connection(('1.1.1.1', 443), 2)", &["ENETUNREACH"]),
    ("a new address is connected to", "socket.socket(socket.AF_INET6).connect(('2001:4860:4860::8888', 443))", &["ENETUNREACH", "EAFNOSUPPORT", "EADDRNOTAVAIL"]),
    ("a datagram is sent", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('10.0.0.1', 514))", &["ENETUNREACH"]),
    ("a broadcast is sent", "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)\ns.sendto(b'x', ('255.255.255.255', 67))", &["ENETUNREACH"]),
    ("a group is sent to", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('224.0.0.251', 5353))", &["ENETUNREACH"]),
    ("the address of cloud secrets is connected to", "socket.create_connection(('169.254.169.254', 80), 2)", &["ENETUNREACH"]),
    ("the gateway is connected to", "[socket.create_connection((host, 22), 2) for host in ('172.17.0.1', '172.18.0.1', '192.168.65.2')]", &["ENETUNREACH"]),
    ("an echo is asked for", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).sendto(b'\\x08' + bytes(7), ('8.8.8.8', 0))", &["EACCES", "EPERM", "ENETUNREACH"]),
    ("a raw socket is made", "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)", &["EPERM"]),
    ("a packet socket is made", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))", &["EPERM"]),
    ("the hypervisor is spoken to", "s = socket.socket(40, socket.SOCK_STREAM)\ns.settimeout(2)\ns.connect((2, 1024))", &["EPERM", "EAFNOSUPPORT"]),
    ("an interface is brought up", "s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)\ns.bind((0, 0))\ns.send(struct.pack('IHHIIBBHiII', 32, 16, 0x405, 1, 0, 0, 0, 0, 1, 1, 1))\nreply = s.recv(4096)\nraise OSError(-struct.unpack_from('i', reply, 16)[0], '')", &["EPERM"]),
];

#[tokio::test]
async fn there_is_no_way_out() {
    assert_all_denied(ATTACKS, 12).await;
}

#[tokio::test]
async fn the_machines_own_services_are_connected_to() {
    let session = session!();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let all = TcpListener::bind("0.0.0.0:0").unwrap();
    all.set_nonblocking(true).unwrap();
    for listener in [&tcp, &all] {
        let port = listener.local_addr().unwrap().port();
        let attack = format!("socket.create_connection(('127.0.0.1', {port}), 2)");
        super::assert_denied(&session, &attack, &["ECONNREFUSED"]).await;
        assert!(listener.accept().is_err(), "a connection came through");
    }
    let port = udp.local_addr().unwrap().port();
    let attack = format!(
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect(('127.0.0.1', {port}))\ns.send(b'x')\nimport time; time.sleep(0.1)\ns.send(b'x')"
    );
    super::assert_denied(&session, &attack, &["ECONNREFUSED"]).await;
    let mut byte = [0];
    assert!(udp.recv(&mut byte).is_err(), "a datagram came through");
}

#[tokio::test]
async fn abstract_sockets_of_the_machine_are_connected_to() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};
    let session = session!();
    let name = format!("descant-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let attack = format!("socket.socket(socket.AF_UNIX).connect('\\0{name}')");
    super::assert_denied(&session, &attack, &["ECONNREFUSED"]).await;
    assert!(listener.accept().is_err(), "a connection came through");
    let seen = session
        .ok("print(open('/proc/net/unix').read().count('@'))")
        .await;
    assert_eq!(seen, "0\n");
}

#[tokio::test]
async fn there_is_no_interface_but_its_own_loop() {
    let session = session!();
    // Fallback tunnels exist in every namespace where their module is loaded; none of them is up.
    let said = session
        .ok("import socket\nup = []\nfor _, name in socket.if_nameindex():\n    if int(open('/sys/class/net/%s/flags' % name).read(), 16) & 1: up.append(name)\nprint(up)\nprint(len(open('/proc/net/route').readlines()))")
        .await;
    assert_eq!(said, "['lo']\n1\n");
}

/// The user may switch it on, for the session; then there is an interface, and the model is told.
#[tokio::test]
async fn the_network_is_there_only_when_the_user_switches_it_on() {
    let session = session!();
    session.ok("kept = 1").await;
    session.sandbox.set_network(true).await;
    let said = session
        .ok("import socket\nprint([name for _, name in socket.if_nameindex() if name.startswith('eth')])")
        .await;
    // An engine without a bridge gives none; the container is asked for one all the same.
    assert!(
        said.starts_with("[the user has switched the network on; earlier variables are lost]\n"),
        "{said}"
    );
    session.sandbox.set_network(false).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let said = session
        .ok("print(len(open('/proc/net/route').readlines()))")
        .await;
    assert_eq!(
        said,
        "[the user has switched the network off; earlier variables are lost]\n1\n"
    );
    session.sandbox.set_network(false).await;
    assert_eq!(
        session.ok("1").await,
        "1\n",
        "nothing changed, nothing is said"
    );
}
