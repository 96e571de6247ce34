package org.lexvla.server;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.evaluation.PatchScores;
import org.lexvla.evaluation.PictureWords;
import org.lexvla.evaluation.SeenSquare;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.LexVla;

/**
 * Pictures that somebody looks at, with what the model has found in them; the last few of the index and the last few that were sent.
 * All of it happens on the thread of the model.
 */
final class OpenPictures implements AutoCloseable {
    /** With the sizes of the paper one takes 22 MB, most of it outside of the heap. */
    private static final int KEPT = 8;

    /** Pixels of the side at which pictures are shown, or a little less, so that patches end at pixels. */
    private static final int SHOWN = 800;

    /**
     * A picture.
     *
     * @param found  what the model finds in it
     * @param whole  its vector
     * @param square JPEG of what the model sees of it
     */
    record Open(PictureWords found, LexicalVector whole, byte[] square) {}

    private final LexVla model;
    private final BufferAllocator allocator;
    private final ServedPictures pictures;
    private final SecureRandom random = new SecureRandom();
    private final Map<String, Open> ofIndex = new LinkedHashMap<>(16, 0.75f, true);
    private final Map<String, Open> uploaded = new LinkedHashMap<>(16, 0.75f, true);

    OpenPictures(LexVla model, ServedPictures pictures, BufferAllocator allocator) {
        this.model = model;
        this.pictures = pictures;
        this.allocator = allocator;
    }

    /** A picture of the index. */
    Open ofIndex(String id) {
        Open known = ofIndex.get(id);
        if (known != null) {
            return known;
        }
        Path file = pictures.file(id);
        if (file == null) {
            throw noPicture();
        }
        Open opened;
        try {
            opened = open(ImageTransform.read(file));
        } catch (IOException | IllegalArgumentException e) {
            throw unreadable();
        }
        keep(ofIndex, id, opened);
        return opened;
    }

    /** What to say of an id that has no picture here. */
    static Refusal noPicture() {
        return new Refusal(404, "no such picture");
    }

    /** What to say of a picture that has gone or was changed since it was indexed; its path is not for strangers. */
    static Refusal unreadable() {
        return new Refusal(404, "this picture of the index cannot be read any more");
    }

    /** A picture that was sent. */
    Open uploaded(String token) {
        Open known = uploaded.get(token);
        if (known == null) {
            throw new Refusal(404, "this picture is not kept any more: send it again");
        }
        return known;
    }

    /**
     * Takes a picture that was sent.
     *
     * @return by what it is called from now on
     */
    String upload(byte[] file) {
        Open opened;
        try {
            opened = open(ImageTransform.read(file, "sent"));
        } catch (IOException | IllegalArgumentException e) {
            throw new Refusal(422, "this cannot be used: " + e.getMessage());
        }
        byte[] token = new byte[16];
        random.nextBytes(token);
        String name = HexFormat.of().formatHex(token);
        keep(uploaded, name, opened);
        return name;
    }

    private Open open(BufferedImage picture) {
        SeenSquare seen = SeenSquare.of(model, picture);
        byte[] square = Jpeg.encode(seen.draw(picture, SHOWN / seen.columns() * seen.columns()));
        PictureWords found = new PictureWords(model, picture, allocator);
        try {
            return new Open(found, found.whole(), square);
        } catch (RuntimeException e) {
            found.close();
            throw e;
        }
    }

    private static void keep(Map<String, Open> kept, String name, Open picture) {
        kept.put(name, picture);
        for (Iterator<Open> eldest = kept.values().iterator(); kept.size() > KEPT; ) {
            eldest.next().found.close();
            eldest.remove();
        }
    }

    /** Patches per row, and rows, of every picture. */
    int columns() {
        return PatchScores.columns(model);
    }

    @Override
    public void close() {
        ofIndex.values().forEach(open -> open.found.close());
        uploaded.values().forEach(open -> open.found.close());
        ofIndex.clear();
        uploaded.clear();
    }
}
