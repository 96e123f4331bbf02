"""What the worker and its client say to each other: JSON-RPC 2.0, one message a line, over stdin and stdout.

Standard library only: OBS runs one side of it.

Requests
    initialize {protocol}            → {protocol, version, pid}
    matte {image, settings, rest_seconds, burst?, room?}
                                     → a store.Record as a dict, with `notes` and `outdated`; first a `layer`
                                       notification
        burst: paths of frame files, oldest first, the last one to become the photo `image`; see stills.take
        room: path of a photo of the empty room, see Matter; another photo has another path, as a layer is known by it
        notes: see notes.to_wire. outdated: see TouchUps.is_outdated
    batch {folder, settings, output_folder, room?}
                                     → {folder, archive, done, failed: [{name, error}],
                                        noted: [{name, notes}], seconds}
        output_folder: empty for a new one, which the answer's `folder` then names; in one that has layers of this
        folder already, only what is left is done. archive: empty where no photo would do. An `error` is what
        messages.error_from_wire reads. Waiting mattes go before the next photo of a batch.
    models {}                        → {models: [see diagnose.state_of], auto}
        auto: the name of the one that "auto" means now
    install_model {name}             → see diagnose.state_of
    touch_up {image, settings, token, port, language, portrait?, name?, zones?, room?}
                                     → {url, port}: the photo's page, for whoever has the token; on this port, if it
                                       is free, 0 for any
        portrait: what the live portrait is known by that the photo is a still of: its zones are painted then, which
        are `zones` now, see matting/zones.py; name: what the page calls it
    zones {portrait, zones}          → {}: its zones are these now, for pages that are open; null: it is gone
    room {room, burst, settings, even_so?}
                                     → {room}: the frames of a burst, see matte, have become a photo of the empty room
                                       at this path, unless something moves in them, or the network sees somebody and
                                       even_so isn't true
    clip {clip, settings, room?}     → {path, frames, whole, notes}: a transparent clip; cancelled, of what was done
    cameras {}                       → {cameras: {what to open it by: what it is shown as}}
    tidy {keep, in_use}              → {count, bytes}; see outputs.tidy
    photos {paths, most}             → {photos, empty}: those that are named, and those in folders that are, no more
                                       than one above `most`; and the folders that have none
    diagnose {newest?}               → see diagnose.diagnosis; newest: GitHub is asked for the `newest_version`
    cancel {id}                      → {}
    shutdown {}                      → {}, then the process ends
Notifications from the worker
    progress {id, stage, done, total, name?, resume?}
        stage: "start", "decode", "load", "network", "refine" of a matte; "batch", with the `name` of what is under
        way; "clip": frames; "fetch" of a model: bytes, or 0 of 1 as long as nobody knows how many there are; "tidy",
        always 0 of 1.
        resume: what to add to the parameters should the request have to be sent again.
    beat {standing: [[id, seconds], …]}
        every BEAT_SECONDS from `initialize` on, whatever the worker is busy with. standing: what is being computed
        or saved, and for how long nothing of it has moved; id 0: what no request is for, as the model that is warmed up
    waiting {id, stage, done, total} what is done before the request begins: "load" of the model that is warmed up
    painted {digest}                 a page has changed the touch-up of the photo with this content
    zones {portrait, zones}          a page has changed a portrait's zones
    layer {id, key, width, height}   the frame file is there to show; the saved file follows
"""

from __future__ import annotations

PROTOCOL_VERSION = 3
JSON_RPC = {"jsonrpc": "2.0"}  # what every message says

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
