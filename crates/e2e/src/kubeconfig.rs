//! The text of a kubeconfig. JSON, which every reader of kubeconfigs takes as the YAML that it is.

use std::path::Path;

use serde_json::json;

/// How a user reaches the API server at a port of the loopback address; the files are named by their full paths.
pub fn text(port: u16, user: &str, authority: &Path, certificate: &Path, key: &Path) -> String {
    let name = "e2e";
    let cluster = json!({
        "server": format!("https://127.0.0.1:{port}"),
        "certificate-authority": authority,
    });
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": cluster }],
        "users": [{ "name": user, "user": { "client-certificate": certificate, "client-key": key } }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": user } }],
        "current-context": name,
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use kube::config::Kubeconfig;

    use super::*;

    #[test]
    fn a_kubernetes_client_reads_it() {
        let file = |name: &str| Path::new("/run").join(name);
        let text = text(16443, "admin", &file("ca.crt"), &file("admin.crt"), &file("admin.key"));
        let read = Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("e2e"));
        let cluster = read.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://127.0.0.1:16443"));
        assert_eq!(cluster.certificate_authority.as_deref(), Some("/run/ca.crt"));
        let user = read.auth_infos[0].auth_info.as_ref().unwrap();
        assert_eq!(user.client_certificate.as_deref(), Some("/run/admin.crt"));
        assert_eq!(user.client_key.as_deref(), Some("/run/admin.key"));
        let context = read.contexts[0].context.as_ref().unwrap();
        assert_eq!((context.cluster.as_str(), context.user.as_deref()), ("e2e", Some("admin")));
    }
}
