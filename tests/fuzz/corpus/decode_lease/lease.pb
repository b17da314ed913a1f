

n1kube-node-lease
n1("€âÏª€”ï: