"""tests/bench/datapath/rules.py: rule sets shaped as kube-proxy writes them, for iptables and nftables.

The last four services are the ones that answer, behind VIP: the worst place for a list that is
walked.  Each service has BACKENDS endpoints; with @idle those that nobody asks have so many instead.
"""

VIP = "10.127.0.1"
LIVE = [("tcp", 80), ("tcp", 5201), ("udp", 9000), ("tcp", 9000)]
BACKENDS = 10


def services(n, target, hide, idle=BACKENDS):
    """(address, protocol, port, endpoints, masquerade?) of each."""
    for i in range(n):
        live = i - (n - len(LIVE))
        if live >= 0:
            proto, port = LIVE[live]
            yield VIP, proto, port, [(target, port)] * BACKENDS, hide
            continue
        ends = [i * BACKENDS + j for j in range(idle)]
        yield (f"10.{96 + (i >> 16)}.{i >> 8 & 255}.{i & 255}", "tcp", 80,
               [(f"10.{200 + (e >> 16)}.{e >> 8 & 255}.{e & 255}", 8080) for e in ends], True)


def iptables(n, target, hide=False, idle=BACKENDS):
    """For iptables-restore."""
    all_of_them = list(services(n, target, hide, idle))
    w = ["*nat", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]",
         ":POSTROUTING ACCEPT [0:0]", ":KUBE-SERVICES - [0:0]", ":KUBE-POSTROUTING - [0:0]",
         ":KUBE-MARK-MASQ - [0:0]"]
    for i, (_, _, _, ends, _) in enumerate(all_of_them):
        w.append(f":KUBE-SVC-{i:06} - [0:0]")
        w += [f":KUBE-SEP-{i:06}-{j:02} - [0:0]" for j in range(len(ends))]
    portals = '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES'
    w += [f"-A PREROUTING {portals}", f"-A OUTPUT {portals}", "-A POSTROUTING -j KUBE-POSTROUTING",
          "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
          "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
          "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
          "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000"]
    for i, (addr, proto, port, ends, masquerade) in enumerate(all_of_them):
        w.append(f'-A KUBE-SERVICES -d {addr}/32 -p {proto} -m comment --comment "ns/svc{i}:p cluster '
                 f'IP" -m {proto} --dport {port} -j KUBE-SVC-{i:06}')
        w += service_chain(i, len(ends), masquerade)
        for j, (ip, to) in enumerate(ends):
            w.append(f"-A KUBE-SEP-{i:06}-{j:02} -s {ip}/32 -j KUBE-MARK-MASQ")
            w.append(f"-A KUBE-SEP-{i:06}-{j:02} -p {proto} -m {proto} -j DNAT "
                     f"--to-destination {ip}:{to}")
    w += ["COMMIT", "*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]",
          ":KUBE-FORWARD - [0:0]", "-A FORWARD -j KUBE-FORWARD",
          "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
          "-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT",
          "-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "COMMIT"]
    return "\n".join(w) + "\n"


def service_chain(i, ends, masquerade=True):
    """The rules of one service's chain."""
    out = [f"-A KUBE-SVC-{i:06} -j KUBE-MARK-MASQ"] if masquerade else []
    for j in range(ends):
        share = "" if j == ends - 1 else \
            f" -m statistic --mode random --probability {1 / (ends - j):.10f}"
        out.append(f'-A KUBE-SVC-{i:06} -m comment --comment "ns/svc{i}:p"{share} '
                   f"-j KUBE-SEP-{i:06}-{j:02}")
    return out


def iptables_one_less(i=3):
    """One endpoint of service @i goes, as kube-proxy sends it since 1.26: only that chain."""
    return "\n".join(["*nat", f":KUBE-SVC-{i:06} - [0:0]", *service_chain(i, BACKENDS - 1),
                      "COMMIT"]) + "\n"


def nftables(n, target, hide=False, idle=BACKENDS):
    """For nft -f."""
    w = ["table ip kube-proxy {",
         " chain mark-for-masquerade { meta mark set meta mark or 0x4000; }"]
    elements = []
    for i, (addr, proto, port, ends, masquerade) in enumerate(services(n, target, hide, idle)):
        for j, (ip, to) in enumerate(ends):
            w.append(f" chain endpoint-{i}-{j} {{ ip saddr {ip} jump mark-for-masquerade; "
                     f"meta l4proto {proto} dnat to {ip}:{to}; }}")
        hit = ", ".join(f"{j} : goto endpoint-{i}-{j}" for j in range(len(ends)))
        mark = "jump mark-for-masquerade; " if masquerade else ""
        w.append(f" chain service-{i} {{ {mark}numgen random mod {len(ends)} vmap {{ {hit} }} ; }}")
        elements.append(f"{addr} . {proto} . {port} : goto service-{i}")
    w += [" map service-ips { type ipv4_addr . inet_proto . inet_service : verdict;",
          f"  elements = {{ {', '.join(elements)} }} }}",
          " chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }",
          " chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }",
          " chain nat-output { type nat hook output priority -100; jump services; }",
          " chain nat-postrouting { type nat hook postrouting priority srcnat;"
          " meta mark & 0x4000 == 0 return; meta mark set meta mark xor 0x4000;"
          " masquerade fully-random; }",
          " chain filter-forward { type filter hook forward priority -110;"
          " ct state invalid drop; ct state new accept; }", "}"]
    return "\n".join(w) + "\n"


def nftables_one_less(i=3):
    return (f"flush chain ip kube-proxy service-{i}\nadd rule ip kube-proxy service-{i} "
            f"numgen random mod 1 vmap {{ 0 : goto endpoint-{i}-0 }}\n")
