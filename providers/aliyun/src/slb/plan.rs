//! The next step from what there is to what is declared; of the two products, only the calls differ.

use std::collections::{BTreeMap, BTreeSet};

use mooring_provider::{
    Change, Difference,
    spec::{Backend, Listener, Protocol, Slb},
};

use super::state::{Group, Kind, Server, State};

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A listener that is not declared, or that only a new one can replace.
    DropListener { id: String, port: u16, protocol: String },
    /// The list of those who may connect.
    MakeList,
    /// Those who may connect.
    FillList {
        id: String,
        add: Vec<String>,
        remove: Vec<String>,
    },
    /// A group of backends.
    MakeGroup { udp: bool, target: u16 },
    /// Backends that no longer are.
    RemoveServers {
        group: String,
        target: u16,
        servers: Vec<Server>,
    },
    /// Backends that are new, address and port.
    AddServers {
        group: String,
        target: u16,
        servers: Vec<(String, u16)>,
    },
    /// A listener.
    MakeListener {
        listener: Listener,
        group: String,
        list: Option<String>,
    },
    /// A listener that is otherwise.
    SetListener {
        listener: Listener,
        group: String,
        list: Option<String>,
    },
    /// A listener that stands still.
    StartListener { id: String, port: u16, protocol: String },
    /// A group that no listener needs.
    DropGroup { id: String },
}

impl Step {
    /// What differs, as far as this step closes it.
    pub(super) fn difference(&self) -> Difference {
        let difference = |field, desired: String, observed: String| Difference {
            field,
            desired,
            observed,
            change: Change::Enforced,
        };
        let none = || "none".to_owned();
        match self {
            Self::DropListener { port, protocol, .. } => {
                difference("listeners", none(), format!("{port}/{}", protocol.to_ascii_lowercase()))
            }
            Self::MakeListener { listener, .. } => difference("listeners", shown(listener), none()),
            Self::SetListener { listener, .. } => difference("listeners", shown(listener), "otherwise".into()),
            Self::StartListener { port, .. } => {
                difference("listeners", format!("{port} running"), format!("{port} stopped"))
            }
            Self::MakeList => difference("allowFrom", "a list".into(), none()),
            Self::FillList { add, remove, .. } => difference("allowFrom", add.join(","), remove.join(",")),
            Self::MakeGroup { target, .. } => difference("backends", format!("a group for port {target}"), none()),
            Self::AddServers { servers, .. } => {
                let servers: Vec<_> = servers
                    .iter()
                    .map(|(address, port)| format!("{address}:{port}"))
                    .collect();
                difference("backends", servers.join(","), none())
            }
            Self::RemoveServers { servers, .. } => {
                let servers: Vec<_> = servers
                    .iter()
                    .map(|server| format!("{}:{}", server.address, server.port))
                    .collect();
                difference("backends", none(), servers.join(","))
            }
            Self::DropGroup { id } => difference("backends", none(), id.clone()),
        }
    }
}

fn shown(listener: &Listener) -> String {
    format!(
        "{}/{} to {}",
        listener.port,
        listener.protocol.as_str(),
        listener.target_port
    )
}

/// The next step, if one is needed. An access list that is no longer in force stays until the balancer goes, for the
/// next time somebody is to be kept out. Where the cluster's cloud controller manages the listeners, none ever is.
pub(super) fn next(spec: &Slb, state: &State) -> Option<Step> {
    spec.backends.as_ref()?;
    let is_udp = |protocol: Protocol| state.kind == Kind::Nlb && protocol == Protocol::Udp;
    let mut needed: BTreeMap<(bool, u16), BTreeSet<(String, u16)>> = BTreeMap::new();
    for listener in &spec.listeners {
        let group = (is_udp(listener.protocol), listener.target_port);
        needed.insert(group, backends(spec, listener.target_port));
    }
    let group_of = |listener: &Listener| {
        let wanted = (is_udp(listener.protocol), listener.target_port);
        first(&state.groups, wanted).map(|group| group.id.clone())
    };

    let foreign = state.listeners.iter().find(|has| {
        let declared = spec
            .listeners
            .iter()
            .any(|listener| has.is(listener.port, listener.protocol));
        !declared && !has.is_going()
    });
    if let Some(has) = foreign {
        return Some(drop_listener(has));
    }
    let list = if spec.allow_from.is_empty() {
        None
    } else {
        let Some(list) = state.lists.iter().min_by_key(|list| &list.id) else {
            return Some(Step::MakeList);
        };
        let wanted: BTreeSet<String> = spec.allow_from.iter().cloned().collect();
        let add: Vec<_> = wanted.difference(&list.entries).cloned().collect();
        let remove: Vec<_> = list.entries.difference(&wanted).cloned().collect();
        if !add.is_empty() || !remove.is_empty() {
            let id = list.id.clone();
            return Some(Step::FillList { id, add, remove });
        }
        Some(list.id.clone())
    };
    for (wanted, servers) in &needed {
        let Some(group) = first(&state.groups, *wanted) else {
            let (udp, target) = *wanted;
            return Some(Step::MakeGroup { udp, target });
        };
        if let Some(step) = servers_of(group, servers) {
            return Some(step);
        }
    }
    for listener in &spec.listeners {
        let (group, list) = (group_of(listener)?, list.clone());
        let listener = listener.clone();
        let Some(has) = state
            .listeners
            .iter()
            .find(|has| has.is(listener.port, listener.protocol))
        else {
            return Some(Step::MakeListener { listener, group, list });
        };
        let fits = has.group == group
            && has.list == list
            && has.certificate.as_deref() == listener.certificate.as_deref()
            && (state.kind == Kind::Nlb || has.path.as_deref() == path(&listener));
        match (fits, state.kind) {
            (true, _) if has.needs_start() => {
                return Some(Step::StartListener {
                    id: has.id.clone(),
                    port: has.port,
                    protocol: has.protocol.clone(),
                });
            }
            (true, _) => {}
            (false, Kind::Clb) => return Some(Step::SetListener { listener, group, list }),
            (false, Kind::Nlb) => return Some(drop_listener(has)),
        }
    }
    let in_use: BTreeSet<_> = needed
        .keys()
        .filter_map(|wanted| first(&state.groups, *wanted).map(|group| group.id.as_str()))
        .collect();
    if let Some(group) = state.groups.iter().find(|group| !in_use.contains(group.id.as_str())) {
        return Some(Step::DropGroup { id: group.id.clone() });
    }
    None
}

/// The backends of a target port, address and port.
pub(super) fn backends(spec: &Slb, target: u16) -> BTreeSet<(String, u16)> {
    let of = |backend: &&Backend| backend.target_port == target;
    let servers = spec.backends.iter().flatten().filter(of);
    servers.map(|backend| (backend.address.clone(), backend.port)).collect()
}

/// Of two groups for one port, which a lost answer can leave behind, it is always the same that is used.
fn first(groups: &[Group], (udp, target): (bool, u16)) -> Option<&Group> {
    groups
        .iter()
        .filter(|group| group.udp == udp && group.target == target)
        .min_by_key(|group| &group.id)
}

fn servers_of(group: &Group, wanted: &BTreeSet<(String, u16)>) -> Option<Step> {
    let is_wanted = |server: &&Server| wanted.contains(&(server.address.clone(), server.port));
    let servers: Vec<_> = group
        .servers
        .iter()
        .filter(|server| !is_wanted(server))
        .cloned()
        .collect();
    let (id, target) = (group.id.clone(), group.target);
    if !servers.is_empty() {
        return Some(Step::RemoveServers {
            group: id,
            target,
            servers,
        });
    }
    let has: BTreeSet<_> = group
        .servers
        .iter()
        .map(|server| (server.address.clone(), server.port))
        .collect();
    let servers: Vec<_> = wanted.difference(&has).cloned().collect();
    (!servers.is_empty()).then_some(Step::AddServers {
        group: id,
        target,
        servers,
    })
}

fn drop_listener(has: &super::state::Listener) -> Step {
    Step::DropListener {
        id: has.id.clone(),
        port: has.port,
        protocol: has.protocol.clone(),
    }
}

/// What is asked to learn whether a backend is well: `None` for tcp and udp, where a connection is enough.
pub(super) fn path(listener: &Listener) -> Option<&str> {
    match listener.protocol {
        Protocol::Http | Protocol::Https => Some(listener.health_check_path.as_deref().unwrap_or("/")),
        Protocol::Tcp | Protocol::Udp => None,
    }
}
