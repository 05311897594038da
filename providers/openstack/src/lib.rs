//! OpenStack: networks, load balancers (Octavia) and databases (Trove).
