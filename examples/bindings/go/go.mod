module cluster

go 1.19
