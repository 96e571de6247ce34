package org.lexvla.server;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.lexvla.model.ImageTransform;

/** Small pictures of the index, made when they are first asked for, the last ones kept in memory. */
final class Thumbnails {
    private static final int SIDE = 360;
    private static final long KEPT_BYTES = 64L << 20;

    private final Lane lane;
    private final ServedPictures pictures;
    private final Map<String, byte[]> kept = new LinkedHashMap<>(16, 0.75f, true);
    private long bytes;

    Thumbnails(Lane lane, ServedPictures pictures) {
        this.lane = lane;
        this.pictures = pictures;
    }

    /** A JPEG of at most {@value #SIDE} pixels a side. */
    CompletableFuture<byte[]> get(String id) {
        synchronized (kept) {
            byte[] known = kept.get(id);
            if (known != null) {
                return CompletableFuture.completedFuture(known);
            }
        }
        Path file = pictures.file(id);
        if (file == null) {
            throw OpenPictures.noPicture();
        }
        return lane.submit(() -> {
            byte[] jpeg;
            try {
                jpeg = Jpeg.encode(Jpeg.shrunk(ImageTransform.read(file), SIDE));
            } catch (IOException e) {
                throw OpenPictures.unreadable();
            }
            keep(id, jpeg);
            return jpeg;
        });
    }

    private void keep(String id, byte[] jpeg) {
        synchronized (kept) {
            byte[] before = kept.put(id, jpeg);
            bytes += jpeg.length - (before == null ? 0 : before.length);
            for (var eldest = kept.values().iterator(); bytes > KEPT_BYTES && kept.size() > 1; ) {
                bytes -= eldest.next().length;
                eldest.remove();
            }
        }
    }
}
