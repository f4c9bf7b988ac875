-- Print who joins and who leaves: `make lib`, then luajit examples/bindings/luajit/watch.lua epmd:localhost
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local loaded, cluster = pcall(require, "cluster")

local function fail(sentence, status)
    io.stderr:write("watch: ", tostring(sentence), "\n")
    os.exit(status, true)
end

if not loaded then
    fail(cluster, 3)
end
if #arg == 0 then
    fail("name a source, as in: luajit " .. arg[0] .. " epmd:localhost", 2)
end
local h = cluster.h
local c = assert(cluster.create())
for _, url in ipairs(arg) do
    local source, sentence = c:discover(url)
    if not source then
        fail(sentence, 2)
    end
end

local marks = {[h.JOIN] = "+ ", [h.LEAVE] = "- ", [h.CHANGE] = "~ "}
repeat
    for e in c:events() do
        if marks[e.type] then
            io.write(marks[e.type], e.member.name, "\n")
        elseif e.type == h.SOURCE then
            io.write("source ", e.url, " ", e.error ~= 0 and e.text or "answers", "\n")
        end
    end
    if not io.flush() then
        fail("the output cannot be written", 3)
    end
until not c:poll()
c:close()
os.exit(3, true)
