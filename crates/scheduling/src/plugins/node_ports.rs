//! `NodePorts`: a port of the node is taken once for each address and protocol.
//!
//! Follows `plugins/nodeports/node_ports.go` and `k8s.io/kube-scheduler/framework` `HostPortInfo`.

use cluster::template::HostPort;

use crate::event::Event;
use crate::hints::Waiter;

/// Whether any wanted port is taken.
pub(crate) fn refuses(wanted: &[HostPort], taken: &[HostPort]) -> bool {
    wanted.iter().any(|port| taken.iter().any(|other| conflicts(port, other)))
}

fn conflicts(a: &HostPort, b: &HostPort) -> bool {
    let everywhere = |port: &HostPort| port.ip.is_empty() || port.ip == "0.0.0.0";
    let protocol = |port: &HostPort| !port.protocol.is_empty() && port.protocol != "TCP";
    let same_protocol = a.protocol == b.protocol || !protocol(a) && !protocol(b);
    a.port != 0 && a.port == b.port && same_protocol && (everywhere(a) || everywhere(b) || a.ip == b.ip)
}

/// A queueing hint: a pod with one of the wanted ports is gone, or a node came.
pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    match event {
        Event::NodeAdded(_) => true,
        Event::PodDeleted { class, .. } => {
            refuses(&waiter.template().host_ports, &waiter.template_of(*class).host_ports)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_protocols_and_ports_all_count() {
        let port =
            |ip: &str, port, protocol: &str| HostPort { ip: ip.into(), port, protocol: protocol.into() };
        let taken = [port("127.0.0.1", 80, "TCP"), port("", 53, "UDP")];
        for (wanted, refused) in [
            (port("", 80, "TCP"), true),
            (port("0.0.0.0", 80, ""), true),
            (port("127.0.0.1", 80, "TCP"), true),
            (port("127.0.0.2", 80, "TCP"), false),
            (port("", 80, "UDP"), false),
            (port("10.0.0.1", 53, "UDP"), true),
            (port("", 81, "TCP"), false),
        ] {
            assert_eq!(refuses(std::slice::from_ref(&wanted), &taken), refused, "{wanted:?}");
        }
    }
}
