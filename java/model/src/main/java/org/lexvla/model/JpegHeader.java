package org.lexvla.model;

import java.io.IOException;
import java.util.Arrays;
import javax.imageio.stream.ImageInputStream;

/**
 * What the markers before the first scan of a JPEG say and ImageIO does not.
 *
 * @param components  of the frame: 1 grey, 3 colours, 4 inks; 0 if no frame was found
 * @param progressive whether several scans make the picture, the first of them a coarse one
 * @param ycck        whether Adobe's marker says that the first three of four components are luminance and chrominance
 * @param exif        the EXIF block (TIFF), or null
 */
record JpegHeader(int components, boolean progressive, boolean ycck, byte[] exif) {
    private static final int START = 0xffd8;
    private static final int START_OF_SCAN = 0xda;
    private static final int END = 0xd9;
    private static final int APP1 = 0xe1;
    private static final int APP14 = 0xee;
    private static final byte[] EXIF = {'E', 'x', 'i', 'f', 0, 0};
    private static final byte[] ADOBE = {'A', 'd', 'o', 'b', 'e'};
    /** Where Adobe's marker says how colours are written: 0 as they are, 1 YCbCr, 2 YCCK. */
    private static final int ADOBE_TRANSFORM = 11;

    /** Reads from the beginning of the stream and leaves it somewhere; null if it is no JPEG. */
    static JpegHeader read(ImageInputStream in) throws IOException {
        in.seek(0);
        if (in.read() != START >> 8 || in.read() != (START & 0xff)) {
            return null;
        }
        int components = 0;
        boolean progressive = false;
        boolean ycck = false;
        byte[] exif = null;
        for (int marker = next(in); marker >= 0 && marker != START_OF_SCAN && marker != END; marker = next(in)) {
            if (marker == 0x01 || marker >= 0xd0 && marker <= 0xd8) {
                continue; // markers without a segment
            }
            int length = in.readUnsignedShort() - 2;
            if (length < 0) {
                break;
            }
            byte[] segment = new byte[length];
            in.readFully(segment);
            if (isFrame(marker) && length > 5) {
                components = segment[5] & 0xff;
                progressive = (marker & 3) == 2;
            } else if (marker == APP1 && exif == null && startsWith(segment, EXIF)) {
                exif = Arrays.copyOfRange(segment, EXIF.length, length);
            } else if (marker == APP14 && startsWith(segment, ADOBE) && length > ADOBE_TRANSFORM) {
                ycck = segment[ADOBE_TRANSFORM] == 2;
            }
        }
        return new JpegHeader(components, progressive, ycck, exif);
    }

    /** The next marker, or −1 at the end: 0xff, any number of fill bytes 0xff, and the marker's own byte. */
    private static int next(ImageInputStream in) throws IOException {
        int value = in.read();
        while (value >= 0 && value != 0xff) {
            value = in.read();
        }
        while (value == 0xff) {
            value = in.read();
        }
        return value;
    }

    /** SOF0 to SOF15 without DHT, JPG and DAC, which lie between them. */
    private static boolean isFrame(int marker) {
        return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    }

    private static boolean startsWith(byte[] segment, byte[] prefix) {
        return segment.length >= prefix.length && Arrays.equals(segment, 0, prefix.length, prefix, 0, prefix.length);
    }
}
