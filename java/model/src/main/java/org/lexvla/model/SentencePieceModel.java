package org.lexvla.model;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * What a {@code tokenizer.model} holds (SentencePiece's sentencepiece_model.proto) of what its Java binding does not give:
 * the types of the pieces, and what is needed to decode. The binding's own decoding ends at a NUL and breaks characters
 * beyond the basic plane, because it passes UTF-8 where Java expects its modified form.
 *
 * @param pieces       in the order of ids
 * @param unknown      what an unknown token leaves in the text
 * @param dropsPrefix  one space at the beginning of a text is not part of it
 * @param dropsSpaces  no space at the beginning of a text is part of it
 */
record SentencePieceModel(List<Piece> pieces, String unknown, boolean dropsPrefix, boolean dropsSpaces) {
    /** Types of pieces, by their number in the file. */
    enum Type {
        NORMAL,
        UNKNOWN,
        CONTROL,
        USER_DEFINED,
        UNUSED,
        BYTE
    }

    record Piece(String text, Type type) {}

    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int BYTES = 2;
    private static final int FIXED32 = 5;

    private static final char SPACE = '\u2581';

    private static final int PIECES = 1;
    private static final int PIECE_TEXT = 1;
    private static final int PIECE_TYPE = 3;
    private static final int TRAINER = 2;
    private static final int TRAINER_UNKNOWN_SURFACE = 44;
    private static final int NORMALIZER = 3;
    private static final int NORMALIZER_DUMMY_PREFIX = 3;
    private static final int NORMALIZER_EXTRA_SPACES = 4;

    /** @throws IOException saying at which byte the file stops making sense */
    static SentencePieceModel parse(byte[] file) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        List<Piece> pieces = new ArrayList<>();
        String unknown = " \u2047 ";
        boolean[] normalizer = {true, true};
        while (in.hasRemaining()) {
            long key = varint(in);
            if (key == (PIECES << 3 | BYTES)) {
                pieces.add(piece(slice(in)));
            } else if (key == (TRAINER << 3 | BYTES)) {
                unknown = unknown(slice(in), unknown);
            } else if (key == (NORMALIZER << 3 | BYTES)) {
                normalizer(slice(in), normalizer);
            } else {
                skip(in, (int) (key & 7));
            }
        }
        if (pieces.isEmpty()) {
            throw new IOException("no pieces in it");
        }
        return new SentencePieceModel(List.copyOf(pieces), unknown, normalizer[0], normalizer[1]);
    }

    private static String unknown(ByteBuffer in, String otherwise) throws IOException {
        String surface = otherwise;
        while (in.hasRemaining()) {
            long key = varint(in);
            if (key == (TRAINER_UNKNOWN_SURFACE << 3 | BYTES)) {
                surface = StandardCharsets.UTF_8.decode(slice(in)).toString();
            } else {
                skip(in, (int) (key & 7));
            }
        }
        return surface;
    }

    private static void normalizer(ByteBuffer in, boolean[] flags) throws IOException {
        while (in.hasRemaining()) {
            long key = varint(in);
            if (key == (NORMALIZER_DUMMY_PREFIX << 3 | VARINT)) {
                flags[0] = varint(in) != 0;
            } else if (key == (NORMALIZER_EXTRA_SPACES << 3 | VARINT)) {
                flags[1] = varint(in) != 0;
            } else {
                skip(in, (int) (key & 7));
            }
        }
    }

    /** The text of ids within range, as SentencePiece's {@code Decode} gives it. */
    String decode(int[] ids) {
        StringBuilder text = new StringBuilder();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        boolean prefixSeen = false;
        for (int id : ids) {
            Piece piece = pieces.get(id);
            if (piece.type() == Type.BYTE) {
                bytes.write(Integer.parseInt(piece.text().substring(3, 5), 16));
                continue;
            }
            characters(bytes, text);
            boolean beginning = !prefixSeen && text.isEmpty();
            prefixSeen = false;
            switch (piece.type()) {
                case CONTROL -> {}
                case UNKNOWN -> text.append(unknown);
                default -> {
                    String part = piece.text();
                    if (beginning && (dropsPrefix || dropsSpaces) && !part.isEmpty() && part.charAt(0) == SPACE) {
                        part = part.substring(1);
                        prefixSeen = !dropsSpaces;
                    }
                    text.append(part.replace(SPACE, ' '));
                }
            }
        }
        characters(bytes, text);
        return text.toString();
    }

    /** Appends the characters of UTF-8 bytes, each byte that belongs to none as one replacement character. */
    private static void characters(ByteArrayOutputStream collected, StringBuilder text) {
        byte[] bytes = collected.toByteArray();
        collected.reset();
        CharsetDecoder utf8 = StandardCharsets.UTF_8.newDecoder();
        for (int at = 0; at < bytes.length; ) {
            int lead = bytes[at] & 0xff;
            int length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
            try {
                if (at + length > bytes.length) {
                    throw new CharacterCodingException();
                }
                text.append(utf8.decode(ByteBuffer.wrap(bytes, at, length)));
                at += length;
            } catch (CharacterCodingException e) {
                text.append('\uFFFD');
                at++;
            }
        }
    }

    private static Piece piece(ByteBuffer in) throws IOException {
        String text = "";
        int type = 1;
        while (in.hasRemaining()) {
            long key = varint(in);
            if (key == (PIECE_TEXT << 3 | BYTES)) {
                text = StandardCharsets.UTF_8.decode(slice(in)).toString();
            } else if (key == (PIECE_TYPE << 3 | VARINT)) {
                type = (int) varint(in);
            } else {
                skip(in, (int) (key & 7));
            }
        }
        if (type == Type.BYTE.ordinal() + 1 && !text.matches("<0x[0-9A-Fa-f]{2}>")) {
            throw new IOException("byte piece '" + text + "' is not of the form <0x00>");
        }
        if (type < 1 || type > Type.values().length) {
            throw new IOException("piece '" + text + "' has the unknown type " + type);
        }
        return new Piece(text, Type.values()[type - 1]);
    }

    private static void skip(ByteBuffer in, int wire) throws IOException {
        switch (wire) {
            case VARINT -> varint(in);
            case FIXED64 -> advance(in, 8);
            case BYTES -> slice(in);
            case FIXED32 -> advance(in, 4);
            default -> throw new IOException("unknown wire type " + wire + " at byte " + in.position());
        }
    }

    private static ByteBuffer slice(ByteBuffer in) throws IOException {
        long length = varint(in);
        if (length < 0 || length > in.remaining()) {
            throw new IOException("a field of " + length + " bytes at byte " + in.position() + ", only "
                    + in.remaining() + " are left");
        }
        ByteBuffer part = in.slice(in.position(), (int) length).order(ByteOrder.LITTLE_ENDIAN);
        in.position(in.position() + (int) length);
        return part;
    }

    private static void advance(ByteBuffer in, int bytes) throws IOException {
        if (in.remaining() < bytes) {
            throw new IOException("the file ends inside a field at byte " + in.position());
        }
        in.position(in.position() + bytes);
    }

    private static long varint(ByteBuffer in) throws IOException {
        long value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (!in.hasRemaining()) {
                throw new IOException("the file ends inside a number");
            }
            byte next = in.get();
            value |= (long) (next & 0x7f) << shift;
            if (next >= 0) {
                return value;
            }
        }
        throw new IOException("a number of more than 64 bits at byte " + in.position());
    }
}
