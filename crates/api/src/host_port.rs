//! Ports that a pod takes on its node.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/core/validation` `AccumulateUniqueHostPorts` and
//! `pkg/apis/core/v1/defaults.go` `defaultHostNetworkPorts`.

use std::collections::BTreeSet;

use cluster::FieldPath;
use cluster::template::HostPort;
use k8s_openapi::api::core::v1 as core;

use crate::code;
use crate::problem::Reporter;

/// Protocol, address and number as written: what may not be there twice.
type Written = (String, String, i32);

/// The ports of containers and sidecars, sorted; on the host network every port is one. `live` pods were accepted
/// already.
pub(crate) fn host_ports(
    spec: &core::PodSpec,
    live: bool,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<HostPort> {
    let host_network = spec.host_network.unwrap_or(false);
    let mut ports = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, wire) in spec.containers.iter().enumerate() {
        let path = path.child("containers").child(index);
        check_duplicates(wire, host_network, live, &mut seen, &path, reporter);
        ports.extend(of_container(wire, host_network, &path, reporter));
    }
    for (index, wire) in spec.init_containers.iter().flatten().enumerate() {
        let path = path.child("initContainers").child(index);
        check_duplicates(wire, host_network, live, &mut BTreeSet::new(), &path, reporter);
        if wire.restart_policy.as_deref() == Some("Always") {
            ports.extend(of_container(wire, host_network, &path, reporter));
        }
    }
    ports.sort();
    ports.dedup();
    ports
}

/// The node's port that a container port takes; 0 for none.
fn number(port: &core::ContainerPort, host_network: bool) -> i32 {
    match port.host_port.unwrap_or(0) {
        0 if host_network => port.container_port,
        number => number,
    }
}

fn protocol(port: &core::ContainerPort) -> &str {
    port.protocol.as_deref().filter(|protocol| !protocol.is_empty()).unwrap_or("TCP")
}

fn check_duplicates(
    wire: &core::Container,
    host_network: bool,
    live: bool,
    seen: &mut BTreeSet<Written>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) {
    for (index, port) in wire.ports.iter().flatten().enumerate() {
        let number = number(port, host_network);
        let address = port.host_ip.as_deref().unwrap_or_default();
        let written = (protocol(port).to_owned(), address.to_owned(), number);
        if number == 0 || seen.insert(written) || live {
            continue;
        }
        let at = path.child("ports").child(index).child("hostPort");
        let message = format!("{at}: duplicate value \"{}/{address}/{number}\"", protocol(port));
        reporter.error(&at, code::BAD_VALUE, message, "a port of the node can be taken once");
    }
}

fn of_container(
    wire: &core::Container,
    host_network: bool,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<HostPort> {
    let mut ports = Vec::new();
    for (index, port) in wire.ports.iter().flatten().enumerate() {
        let at = |field: &str| path.child("ports").child(index).child(field);
        let number = number(port, host_network);
        if !(1..=65535).contains(&port.container_port) {
            let message =
                format!("{}: {} is not a port (1 to 65535)", at("containerPort"), port.container_port);
            reporter.error(&at("containerPort"), code::BAD_VALUE, message, "");
        }
        match u16::try_from(number) {
            Ok(0) => {}
            Ok(port_number) => ports.push(HostPort {
                // Only the IPv4 address of all interfaces means all of them to kube-scheduler.
                ip: port.host_ip.as_deref().filter(|ip| *ip != "0.0.0.0").unwrap_or_default().into(),
                port: port_number,
                protocol: protocol(port).into(),
            }),
            Err(_) => {
                let message = format!("{}: {number} is not a port (1 to 65535)", at("hostPort"));
                reporter.error(&at("hostPort"), code::BAD_VALUE, message, "");
            }
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use crate::testing::lowered;

    fn problems(containers: &str) -> Vec<String> {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n";
        let lowered = lowered(&format!("{pod}{containers}"));
        lowered.problems.into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn a_port_is_taken_once_by_all_containers_together() {
        let twice = "  containers:\n  - {name: a, image: a, ports: [{containerPort: 80, hostPort: 80}]}\n  - {name: b, image: b, ports: [{containerPort: 81, hostPort: 80}]}\n";
        assert_eq!(problems(twice), ["spec.containers[1].ports[0].hostPort: duplicate value \"TCP//80\""]);
        let apart = "  containers:\n  - {name: a, image: a, ports: [{containerPort: 80, hostPort: 80}]}\n  - {name: b, image: b, ports: [{containerPort: 80, hostPort: 80, protocol: UDP}]}\n  initContainers:\n  - {name: c, image: c, ports: [{containerPort: 80, hostPort: 80}]}\n";
        assert_eq!(problems(apart), Vec::<String>::new());
    }
}
