-- Lets a request wait until the backend in txn.waits has a pod, for $EDGE_HOLD_SECONDS at most.
-- HAProxy 3.0 has no action of its own that waits.
local seconds = tonumber(os.getenv("EDGE_HOLD_SECONDS")) or 60
local step = 100 -- milliseconds

core.register_action("hold", { "http-req" }, function(txn)
  local slot = core.backends[txn:get_var("txn.waits")]
  local last = core.now().sec + seconds
  while slot and slot:get_srv_act() == 0 and core.now().sec < last do
    core.msleep(step)
  end
end)
